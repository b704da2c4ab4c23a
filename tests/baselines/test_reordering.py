"""Other orders: which layers share an input, how deep they are, and that reports draw them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_evaluator import MadeUpEvaluator, searched
from made_up_results import LOSSES, VARIANTS, MadeUpRun, write_json
from pydantic import ValidationError

from baselines.reordering.ladder_residual import LadderResidualMethod
from baselines.reordering.layer_parallel import LayerParallel
from baselines.reordering.painters import Painters
from baselines.reordering.parallel_attention import ParallelAttention
from cqil import LayerPlan, dense_plan, uniform_plan
from cqil.methods.evidence import Evidence
from cqil.selection.uniform import Uniform
from reports.page.page import write_report


def evidence(num_layers, **measured):
    return Evidence(num_layers=num_layers, **measured)


# --- Layer Parallelism


def test_layer_parallel_pairs_its_run_two_way():
    plan = LayerParallel(start=4, end=10).plan(evidence(12))
    assert plan == uniform_plan(12, 4, 10, 2, target="two-way")
    assert plan.groups[4:7] == ((4, 5), (6, 7), (8, 9))
    assert (plan.bypass_target, plan.depth) == ("two-way", 9)
    assert LayerParallel(start=4, end=10).search_key is None


@given(st.integers(2, 40), st.data())
def test_layer_parallel_reaches_every_depth_of_pairs_exactly(num_layers, data):
    depth = data.draw(st.integers(-(-num_layers // 2), num_layers - 1))
    bench = MadeUpEvaluator(num_layers)
    method = LayerParallel(depth=depth)
    plan = method.plan(evidence(num_layers, search_result=searched(method, bench)))
    assert plan.depth == depth
    assert plan.bypass_target == "two-way"


def test_layer_parallel_stands_where_the_pairs_of_cqil_stand():
    ours, theirs = Uniform(group_size=2, depth=9), LayerParallel(depth=9)
    assert theirs.search_key == ours.search_key
    found = searched(ours, MadeUpEvaluator(12))
    assert searched(theirs, MadeUpEvaluator(12)) == found
    plans = [method.plan(evidence(12, search_result=found)) for method in (ours, theirs)]
    assert plans[0].groups == plans[1].groups


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"start": 2},
        {"end": 6},
        {"start": 2, "end": 7},
        {"depth": 5, "start": 2, "end": 6},
        {"depth": 0},
    ],
)
def test_layer_parallel_takes_a_depth_or_an_even_run(options):
    with pytest.raises(ValidationError):
        LayerParallel(**options)


def test_layer_parallel_cannot_go_below_half_the_layers():
    with pytest.raises(ValueError, match=r"\Adepth: 5 [^\n]*\Z"):
        LayerParallel(depth=5).search(MadeUpEvaluator(12))


# --- Painters and parallel attention


def test_painters_average_one_stage():
    plan = Painters(start=2, end=6).plan(evidence(8))
    assert plan.groups == ((0,), (1,), (2, 3, 4, 5), (6,), (7,))
    assert (plan.bypass_target, plan.depth) == ("mean", 5)


def test_parallel_attention_halves_the_depth_of_its_layers():
    plan = ParallelAttention(start=1, end=4).plan(evidence(5))
    assert plan.groups == (
        (0,),
        ("1.attn", "1.mlp"),
        ("2.attn", "2.mlp"),
        ("3.attn", "3.mlp"),
        (4,),
    )
    assert plan.depth == 3.5
    assert plan.layers == (0, 1, 2, 3, 4)


def test_a_ladder_runs_every_layer_on_its_own():
    plan = LadderResidualMethod(start=1, end=4).plan(evidence(5))
    assert plan == LayerPlan(num_layers=5, groups=dense_plan(5).groups, ladder=(1, 4))
    assert plan.depth == 5


@pytest.mark.parametrize("kind", [LadderResidualMethod, LayerParallel, Painters, ParallelAttention])
@pytest.mark.parametrize(("start", "end"), [(2, 10), (6, 6), (6, 4)])
def test_a_run_outside_the_checkpoint_is_one_line(kind, start, end):
    with pytest.raises(ValueError, match=rf"\Astart, end: \[{start}, {end}\) must [^\n]*\Z"):
        kind(start=start, end=end).plan(evidence(8))


# --- reports


def test_a_report_draws_other_orders_and_halves(tmp_path):
    new = {
        "painters": ("reordering", "painters", {}, Painters(start=2, end=4).plan(evidence(6))),
        "beside": (
            "reordering",
            "parallel-attention",
            {},
            ParallelAttention(start=0, end=1).plan(evidence(6)),
        ),
        "ladder": (
            "reordering",
            "ladder",
            {},
            LadderResidualMethod(start=2, end=5).plan(evidence(6)),
        ),
        "halves": (
            "removal",
            "blockpruner",
            {},
            LayerPlan(num_layers=6, groups=[[0], ["1.attn"], ["2.mlp"], [3], [5]]),
        ),
    }
    losses = {name: 4.0 + number for number, name in enumerate(new)}
    folder = MadeUpRun(VARIANTS | new, LOSSES | losses).fill(tmp_path)
    write_json(folder / "search" / "sleb-G4.json", {"drops": [{"dropped": 1, "nll": 3.0}]})
    html = write_report(folder, folder / "out").read_text()
    assert "Reordering" in html
    assert "Does grouping lose less than removing layers?" in html
    table = (folder / "out" / "tables" / "variants.md").read_text()
    assert "5.5" in table
    assert "Ladder-Residual" in html
