"""One side of a timed comparison: `python -P timing_worker.py OPTIONS`, a tree on PYTHONPATH.

It is run by its path: the script is always the working tree's, while `cqil` is that of the tree
under test, old ones too. So it uses lasting names of `cqil` alone. Standard input gives the name of
an arm a line; each runs one block, whose seconds are one line of JSON on standard output.
Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time

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
SHAPE = {
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


def engines(device: str) -> dict[str, Engine]:
    """Arm -> its engine, all of one model of random weights."""
    torch.manual_seed(0)
    dense = LlamaForCausalLM(LlamaConfig(**SHAPE)).to(device)
    return {name: Engine.from_dense(dense, plan) for name, plan in PLANS.items()}


def prompt(device: str) -> torch.Tensor:
    """Token ids [1, T]; what they say does not matter for time."""
    return torch.arange(1, 1 + PROMPT_TOKENS, device=device)[None]


def now(device: str) -> float:
    """Seconds, once the device has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def block(
    engine: Engine, prompt_BT: torch.Tensor, device: str, slowdown: float
) -> dict[str, list[float]]:
    """Seconds of one prefill and of each decode step after it.

    `slowdown` is the share of each step's own time that is waited busily after it: with it the
    gate's power is measured.
    """
    began = now(device)
    engine.prefill(prompt_BT, max_tokens=PROMPT_TOKENS + STEPS)
    times: dict[str, list[float]] = {"prefill": [now(device) - began], "decode": []}
    for _ in range(STEPS):
        began = now(device)
        engine.decode_step(prompt_BT[:, -1])
        end = began + (now(device) - began) * (1 + slowdown)
        while now(device) < end:
            pass
        times["decode"].append(now(device) - began)
    return times


def main() -> None:
    """Serves until standard input closes. What libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    options = json.loads(sys.argv[1])
    torch.set_num_threads(options["threads"])
    held, prompt_BT = engines(options["device"]), prompt(options["device"])
    # A collection in the midst of a block would be taken for the engine's time.
    gc.collect()
    gc.disable()
    print(json.dumps({"cqil": cqil.__file__, "arms": list(held)}), file=answers)
    for line in sys.stdin:
        times = block(held[line.strip()], prompt_BT, options["device"], options["slowdown"])
        print(json.dumps(times), file=answers)


if __name__ == "__main__":
    main()
