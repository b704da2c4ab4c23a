"""Single benchmarks of the engine, under pytest-benchmark:

    pytest benchmarks/microbenchmarks/bench_engine.py --benchmark-only --benchmark-json FILE

Model and plans are those of the regression gate. The clock waits for the device, so CUDA is timed
like a CPU; CQIL_BENCH_DEVICE=cuda chooses it. `make test` does not collect this file.
Shape suffixes: B sequences, T tokens, V vocabulary.
"""

from __future__ import annotations

import os

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.regress.timing_worker import (
    PLANS,
    PROMPT_TOKENS,
    STEPS,
    load_engines,
    make_prompt,
    now,
)
from cqil.engine import Engine

DEVICE = os.environ.get("CQIL_BENCH_DEVICE", "cpu")
ROUNDS = 30


def synchronized_now() -> float:
    """Seconds, once the device has finished its work."""
    return now(DEVICE)


pytestmark = [
    pytest.mark.benchmark(timer=synchronized_now),
    pytest.mark.parametrize("case", PLANS),
]


@pytest.fixture(scope="module")
def engines() -> dict[str, Engine]:
    """Case -> engine, on one thread: with a second one medians are less steady."""
    torch.set_num_threads(1)
    return load_engines(DEVICE)


def test_prefill(benchmark: BenchmarkFixture, engines: dict[str, Engine], case: str) -> None:
    """Seconds of a prompt."""
    benchmark.extra_info["tokens"] = PROMPT_TOKENS
    logits_BV = benchmark.pedantic(
        engines[case].prefill,
        args=(make_prompt(DEVICE),),
        kwargs={"max_tokens": PROMPT_TOKENS + STEPS},
        rounds=ROUNDS,
        warmup_rounds=2,
    )
    assert logits_BV.isfinite().all()


def test_decode_step(benchmark: BenchmarkFixture, engines: dict[str, Engine], case: str) -> None:
    """Seconds of one decoded token, right after a prompt."""
    engine, prompt_BT = engines[case], make_prompt(DEVICE)

    def start() -> tuple[tuple[torch.Tensor], dict]:
        engine.prefill(prompt_BT, max_tokens=PROMPT_TOKENS + STEPS)
        return (prompt_BT[:, -1],), {}

    logits_BV = benchmark.pedantic(engine.decode_step, setup=start, rounds=ROUNDS, warmup_rounds=2)
    assert logits_BV.isfinite().all()
