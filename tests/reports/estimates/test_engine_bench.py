"""How the time of a decode step on ranks is divided."""

from __future__ import annotations

import pytest
from made_up_engine_bench import bench_system, made_up_bench

from cqil.engine.parallel.layout import Layout
from reports.estimates.engine_bench import step_parts


def test_parts_of_a_step_add_up_to_what_was_measured():
    on_ranks = {"layout": Layout(tensor_parallel_size=2)}
    systems = [
        bench_system("a", 10, messages=2, **on_ranks),
        bench_system("a-no-communication", 6, **on_ranks),
        bench_system("b", 7, messages=5, **on_ranks),
        bench_system("b-no-communication", 6, **on_ranks),
        bench_system("alone", 3, messages=1, **on_ranks),
    ]
    seconds = {name: [0.001, 0.001, 0.001] for name in ("a", "b")}
    bench = made_up_bench().model_copy(update={"systems": systems, "message_seconds": seconds})
    parts = step_parts(bench).set_index("system")
    assert list(parts.index) == ["a", "b"]
    assert parts.loc["a"].tolist() == pytest.approx([10, 6, 2, 2, 8])
    # Five messages of 1 ms overlap with computing: the step has time for one.
    assert parts.loc["b"].tolist() == pytest.approx([7, 6, 1, 0, 11])
