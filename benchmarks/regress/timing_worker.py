"""One side of a timed comparison: `python -P timing_worker.py OPTIONS`, a tree on PYTHONPATH.

The gate runs this file by its path: the script is always that of the working tree, while `cqil` is
that of the tree under test, which may be old. So the script uses only names of `cqil` that last.
Standard input gives the name of a case on each line; each runs one block, and standard output gives
its seconds as one line of JSON. Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

import cqil
from cqil.engine import Engine
from cqil.plan import LayerPlan, dense_plan, uniform_plan

LAYERS = 8
PLANS: dict[str, LayerPlan] = {
    "dense": dense_plan(LAYERS),
    "cqil-p2": uniform_plan(LAYERS, 0, LAYERS, 2),
    "cqil-p4": uniform_plan(LAYERS, 0, LAYERS, 4),
}
"""Case -> plan."""
SHAPE: dict[str, Any] = {
    "vocab_size": 2048,
    "hidden_size": 448,
    "intermediate_size": 1216,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 7,
    "num_key_value_heads": 7,
    "bos_token_id": None,
    "eos_token_id": None,
}
"""21 million weights: more than the caches hold, and a few ms a decoded token."""
PROMPT_TOKENS, STEPS = 16, 6


def load_engines(device: str) -> dict[str, Engine]:
    """Case -> its engine; all have the random weights of one model."""
    torch.manual_seed(0)
    with torch.device(device):
        dense = LlamaForCausalLM(LlamaConfig(**SHAPE))
    return {case: Engine.from_dense(dense, plan) for case, plan in PLANS.items()}


def make_prompt(device: str) -> torch.Tensor:
    """Token ids [1, T]; their values do not matter for time."""
    return torch.arange(1, 1 + PROMPT_TOKENS, device=device)[None]


def now(device: str) -> float:
    """Seconds, once the device has finished its work."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def time_block(
    engine: Engine, prompt_BT: torch.Tensor, device: str, slowdown: float
) -> dict[str, list[float]]:
    """Seconds of one prefill and of each decode step after it.

    `slowdown`: share of the time of each decode step for which the worker then waits busily; it
    serves to measure the power of the gate.
    """
    start = now(device)
    engine.prefill(prompt_BT, max_tokens=PROMPT_TOKENS + STEPS)
    times: dict[str, list[float]] = {"prefill": [now(device) - start], "decode": []}
    for _ in range(STEPS):
        start = now(device)
        engine.decode_step(prompt_BT[:, -1])
        end = start + (now(device) - start) * (1 + slowdown)
        while now(device) < end:
            pass
        times["decode"].append(now(device) - start)
    return times


def main() -> None:
    """Answers until standard input closes. What libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    options = json.loads(sys.argv[1])
    device = options["device"]
    torch.set_num_threads(options["threads"])
    engines, prompt_BT = load_engines(device), make_prompt(device)
    # A garbage collection within a block would count as time of the engine.
    gc.collect()
    gc.disable()
    print(json.dumps({"cqil": cqil.__file__, "cases": list(engines)}), file=answers)
    for line in sys.stdin:
        times = time_block(engines[line.strip()], prompt_BT, device, options["slowdown"])
        print(json.dumps(times), file=answers)


if __name__ == "__main__":
    main()
