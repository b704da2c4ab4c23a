"""The break-even map: lines cross where closed forms say, and the figure says what it is."""

from __future__ import annotations

import time

import numpy as np
import pytest
from made_up_machine import machine

from benchmarks.cost_model.break_even import (
    FULL_DEPTH_METHODS,
    grouped_plan,
    latency_lines,
    parallel_methods,
)
from benchmarks.cost_model.fastest_methods import ALPHA_S, SIZES, fastest
from benchmarks.cost_model.machine import load_machine
from benchmarks.cost_model.model_shapes import SHAPES
from benchmarks.cost_model.step_time import predict_step
from benchmarks.cost_model.step_workload import StepWorkload
from reports.figures.break_even_map import break_even_map
from reports.figures.style import paper


def test_cqil_of_7b_is_grouped_as_in_its_paper():
    assert grouped_plan(32, 2).slug == "S12-E30-P2-D0"
    assert grouped_plan(32, 4).slug == "S14-E30-P4-D0"


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_lines_are_the_predictions(ranks):
    shape, on = SHAPES["LLaMA-7B"], machine(beta_s=1e-10)
    for name, (plan, layout) in parallel_methods(shape, ranks).items():
        expected_s = predict_step(
            plan, layout, shape, on.with_latency(3e-5), StepWorkload()
        ).total_s
        line = latency_lines(shape, ranks, on, StepWorkload())[name]
        assert line.at(np.array([3e-5]))[0] == pytest.approx(expected_s)


def test_removal_has_the_depth_of_cqil_on_one_device():
    methods = parallel_methods(SHAPES["LLaMA-7B"], 2)
    assert methods["removal"][0].depth == methods["CQIL"][0].depth == 23
    assert methods["removal"][1].world_size == 1


def test_break_even_of_7b_on_a100_is_the_known_one():
    lines = latency_lines(
        SHAPES["LLaMA-7B"], 2, load_machine("a100-nvlink"), StepWorkload(context=1)
    )
    cqil, tensor_parallel = lines["CQIL"], lines["TP"]
    # Where the two lines cross; with faster links tensor parallelism is ahead.
    break_even_s = (cqil.fixed_s - tensor_parallel.fixed_s) / (tensor_parallel.slope - cqil.slope)
    assert 1e6 * break_even_s == pytest.approx(38, rel=0.02)


def test_slow_links_favour_few_messages_and_large_models_many():
    found = fastest(2, 1, load_machine("h100-nvlink"))
    slow, fast = found.method[:, -1], found.method[-1, 0]
    assert {FULL_DEPTH_METHODS[way] for way in slow} == {"CQIL"}
    assert FULL_DEPTH_METHODS[fast] == "LP"
    firsts = [int(row.argmax()) for row in found.grouping_wins]
    assert firsts == sorted(firsts)
    # Deleting layers down to the same depth saves CQIL's messages too.
    assert found.removal_wins[:, -1].all()
    assert found.method.shape == (len(SIZES), len(ALPHA_S))


def test_the_map_is_labelled_and_quick():
    began = time.process_time()
    with paper():
        figure = break_even_map(load_machine("h100-nvlink"))
    assert time.process_time() - began < 10
    assert figure.get_suptitle().startswith("Projected")
    assert len(figure.axes) == 6
