"""Single benchmarks of the engine, under pytest-benchmark:

    pytest benchmarks/microbenchmarks/bench_engine.py --benchmark-only --benchmark-json results/bench/engine.json

Model and plans are those of the gate. The clock waits for the device, so CUDA is timed like a CPU.
CQIL_BENCH_DEVICE=cuda chooses it. `make test` does not collect this file.
"""

from __future__ import annotations

import os

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.regress.timing_worker import PLANS, PROMPT_TOKENS, STEPS, engines, now, prompt
from cqil.engine import Engine

DEVICE = os.environ.get("CQIL_BENCH_DEVICE", "cpu")
ROUNDS = 30


def synchronised() -> float:
    return now(DEVICE)


pytestmark = [
    pytest.mark.benchmark(timer=synchronised),
    pytest.mark.parametrize("arm", PLANS),
]


@pytest.fixture(scope="module")
def held() -> dict[str, Engine]:
    """Every arm's engine, on one thread: a second one makes medians less steady."""
    torch.set_num_threads(1)
    return engines(DEVICE)


def test_prefill(benchmark: BenchmarkFixture, held: dict[str, Engine], arm: str) -> None:
    """Seconds of a prompt."""
    benchmark.extra_info["tokens"] = PROMPT_TOKENS
    logits_BV = benchmark.pedantic(
        held[arm].prefill,
        args=(prompt(DEVICE),),
        kwargs={"max_tokens": PROMPT_TOKENS + STEPS},
        rounds=ROUNDS,
        warmup_rounds=2,
    )
    assert logits_BV.isfinite().all()


def test_decode_step(benchmark: BenchmarkFixture, held: dict[str, Engine], arm: str) -> None:
    """Seconds of one decoded token, right after a prompt."""
    engine, prompt_BT = held[arm], prompt(DEVICE)

    def start() -> tuple[tuple[torch.Tensor], dict]:
        engine.prefill(prompt_BT, max_tokens=PROMPT_TOKENS + STEPS)
        return (prompt_BT[:, -1],), {}

    logits_BV = benchmark.pedantic(engine.decode_step, setup=start, rounds=ROUNDS, warmup_rounds=2)
    assert logits_BV.isfinite().all()
