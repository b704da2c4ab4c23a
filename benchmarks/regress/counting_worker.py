"""Exact counts of one tree: `python -P counting_worker.py`, the tree on PYTHONPATH; prints JSON.

The gate runs this file by its path: the script is always that of the working tree, while `cqil` is
that of the tree under test, which may be old. Calls are counted where PyTorch dispatches them, so
a message that bypasses the ledger of the engine is counted too.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

import cqil
from cqil.engine import Engine, Layout
from cqil.plan import LayerPlan, dense_plan, kept_layers_plan, uniform_plan

LAYERS = 8
PLANS: dict[str, LayerPlan] = {
    "dense": dense_plan(LAYERS),
    "cqil-p2": uniform_plan(LAYERS, 2, 8, 2),
    "cqil-p2-d1": uniform_plan(LAYERS, 2, 8, 2, 1),
    "cqil-p4": uniform_plan(LAYERS, 0, 8, 4),
    "uls": kept_layers_plan(LAYERS, [0, 2, 5, 7], prompt_dense=True),
    "removal": kept_layers_plan(LAYERS, [0, 1, 2, 3, 7]),
}
GROUP_PARALLEL, TENSOR_PARALLEL = "group-parallel", "tensor-parallel"
ON_TWO_RANKS = [
    ("cqil-p2", GROUP_PARALLEL),
    ("cqil-p2-d1", GROUP_PARALLEL),
    ("dense", TENSOR_PARALLEL),
    ("cqil-p2", TENSOR_PARALLEL),
    ("cqil-p4", TENSOR_PARALLEL),
    ("uls", TENSOR_PARALLEL),
    ("removal", TENSOR_PARALLEL),
]
"""Plans that are counted on two ranks, each with what the ranks divide."""
SHAPE: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "bos_token_id": None,
    "eos_token_id": None,
}
PROMPT_TOKENS = 5
Counts = dict[str, int]


class DispatchCounter(TorchDispatchMode):
    """Counts operators, the messages among them, and the bytes that these send."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter(ops=0, collectives=0, messages=0, message_bytes=0)

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        self.counts["ops"] += 1
        if operator.namespace == "c10d":
            name = operator._schema.name.removeprefix("c10d::").rstrip("_")
            quantity = "messages" if name in ("send", "recv") else "collectives"
            self.counts[quantity] += 1
            # The first argument of a gather is its result, the second is what it sends.
            sent = args[1] if name.startswith("allgather") else args[0]
            tensors = [sent] if isinstance(sent, torch.Tensor) else sent
            self.counts["message_bytes"] += sum(tensor.nbytes for tensor in tensors)
        return operator(*args, **(kwargs or {}))


def count_plan(rank: int, plan: str, parallel: str | None) -> dict[str, Counts]:
    """Phase -> quantity -> count, on one rank."""
    torch.manual_seed(0)
    dense = LlamaForCausalLM(LlamaConfig(**SHAPE))
    engine = Engine.from_dense(dense, PLANS[plan], rank=rank, **_layout_options(parallel))
    prompt_BT = torch.arange(1, 1 + PROMPT_TOKENS)[None]
    engine.prefill(prompt_BT, max_tokens=PROMPT_TOKENS + 1)
    prefill = _dispatched(lambda: engine.prefill(prompt_BT, max_tokens=PROMPT_TOKENS + 1))
    decode = _dispatched(lambda: engine.decode_step(prompt_BT[:, -1]))
    prefill |= _if_known(lambda: _executed(engine.program.prefill))
    decode |= _if_known(lambda: _executed(engine.program.decode[0]))
    decode |= _if_known(lambda: {"bytes_read": engine.step_bytes})
    return {"prefill": prefill, "decode": decode, "loaded": {"weight_bytes": engine.weight_bytes}}


def _layout_options(parallel: str | None) -> dict[str, Any]:
    """Keyword arguments of an engine on one device, or on two ranks, as the tree names them."""
    group_size, tensor_size = 1 + (parallel == GROUP_PARALLEL), 1 + (parallel == TENSOR_PARALLEL)
    try:
        from cqil.engine.options import EngineOptions
    except ImportError:  # a tree from before EngineOptions
        sizes = {"lanes": group_size, "shards": tensor_size}
        return {"layout": Layout(**sizes)}  # type: ignore[arg-type]
    layout = Layout(group_parallel_size=group_size, tensor_parallel_size=tensor_size)
    return {"options": EngineOptions(layout=layout)}


def _two_workers() -> Any:
    """A worker group of two ranks, as the tree names it."""
    try:
        from cqil.engine import WorkerGroup
    except ImportError:  # a tree from before EngineOptions
        from cqil.engine import Gang as WorkerGroup  # type: ignore[attr-defined, no-redef]
    return WorkerGroup(2)


def _dispatched(call: Callable[[], object]) -> Counts:
    """Operators, messages and floating-point operations of one call."""
    with FlopCounterMode(display=False) as flops, DispatchCounter() as counter:
        call()
    return dict(counter.counts) | {"flops": flops.get_total_flops()}


def _executed(runners: list) -> Counts:
    """How many attentions and MLPs the stages run."""
    # Before EngineOptions the attribute was called `task`.
    stages = [vars(runner).get("stage") or runner.task for runner in runners]
    return {
        "attentions": sum(len(stage.attentions) for stage in stages),
        "mlps": sum(len(stage.mlps) for stage in stages),
    }


def _if_known(counts: Callable[[], Counts]) -> Counts:
    """The counts, or none for an old tree that lacks the attributes; the gate then says so."""
    try:
        return counts()
    except AttributeError:
        return {}


def count_all() -> dict[str, Counts]:
    """CASE/PHASE -> quantity -> count."""
    cases = {plan: count_plan(0, plan, None) for plan in PLANS}
    with _two_workers() as workers:
        for plan, parallel in ON_TWO_RANKS:
            for rank, counts in enumerate(workers.run(count_plan, plan, parallel)):
                cases[f"{plan}-{parallel}-rank-{rank}"] = counts
    return {
        f"{case}/{phase}": counts
        for case, counts_by_phase in cases.items()
        for phase, counts in counts_by_phase.items()
    }


def main() -> None:
    """Prints the counts. What libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    torch.set_num_threads(1)
    print(json.dumps({"cqil": cqil.__file__, "counts": count_all()}), file=answers, flush=True)


if __name__ == "__main__":
    main()
