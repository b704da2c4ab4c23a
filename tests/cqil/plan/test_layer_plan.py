"""LayerPlan: names, JSON, normal form, depth, and what it refuses to be."""

import json
import re
import subprocess
import sys

import pytest
from any_plan import TARGETS, plans
from hypothesis import given
from hypothesis import strategies as st

from cqil import LayerPlan, dense_plan, kept_layers_plan, uniform_plan


def one_line(field, value):
    """Matches a message of one line that starts with the field and holds the value."""
    return rf"\A{re.escape(field)}: [^\n]*{re.escape(value)}[^\n]*\Z"


@st.composite
def uniform_plans(draw):
    num_layers = draw(st.integers(1, 40))
    start, end = sorted(draw(st.tuples(*[st.integers(0, num_layers)] * 2)))
    size, distance = draw(st.integers(1, 5)), draw(st.integers(0, 4))
    return uniform_plan(num_layers, start, end, size, distance, draw(st.sampled_from(TARGETS)))


@pytest.mark.parametrize(
    ("plan", "slug"),
    [
        (dense_plan(30), "dense"),
        (uniform_plan(30, 12, 28, 2, 1), "S12-E28-P2-D1"),
        (uniform_plan(30, 12, 28, 2, 1, "ffn+residual"), "S12-E28-P2-D1-residual"),
        (uniform_plan(32, 14, 30, 4, 0, "two-way"), "S14-E30-P4-D0-twoway"),
        (uniform_plan(32, 14, 30, 4, 0, "mean"), "S14-E30-P4-D0-mean"),
        (uniform_plan(8, 1, 6, 4, 2), "S1-E5-P4-D2"),  # layer 5 is left over, hence on its own
        (uniform_plan(8, 1, 7, 4, 2), "S1-E7-P4-D2"),
        (uniform_plan(8, 2, 6, 1, 2), "dense"),
    ],
)
def test_slug(plan, slug):
    assert plan.slug == slug
    assert LayerPlan.from_slug(slug, plan.num_layers) == plan


@given(uniform_plans())
def test_slug_of_a_uniform_plan_names_it_fully(plan):
    assert LayerPlan.from_slug(plan.slug, plan.num_layers) == plan


@given(st.lists(plans(shallowest=5, deepest=5), min_size=2, max_size=20, unique=True))
def test_distinct_plans_have_distinct_slugs(distinct):
    slugs = {plan.slug for plan in distinct}
    assert len(slugs) == len(distinct)
    assert all(re.fullmatch(r"[A-Za-z0-9-]+", slug) for slug in slugs)


def test_slug_of_an_irregular_plan_states_its_depths():
    assert re.fullmatch(r"N30-G3-[0-9a-f]{8}", kept_layers_plan(30, [0, 5, 29]).slug)


@given(plans() | plans(own_prefill=True))
def test_json_round_trip(plan):
    again = LayerPlan.from_json(plan.to_json())
    assert again == plan
    assert hash(again) == hash(plan)
    assert LayerPlan.from_dict(plan.to_dict()).slug == plan.slug


def test_defaults_come_back_from_a_plan_of_two_fields():
    plan = LayerPlan.from_json('{"num_layers": 2, "groups": [[0, 1]]}')
    assert plan == LayerPlan(num_layers=2, groups=((0, 1),))
    assert (plan.bypass, plan.bypass_target, plan.prefill) == (0, "ffn", None)


def test_prefill_equal_to_groups_is_dropped():
    plan = LayerPlan(num_layers=4, groups=[[0, 1], [3]], prefill=[[0, 1], [3]])
    assert plan.prefill is None
    assert plan.prefill_groups == plan.groups == ((0, 1), (3,))


@pytest.mark.parametrize("target", TARGETS)
def test_bypass_without_groups_is_dropped(target):
    plan = LayerPlan(num_layers=4, groups=[[0], [1], [2], [3]], bypass=2, bypass_target=target)
    assert plan == dense_plan(4)
    assert (plan.bypass, plan.bypass_target) == (0, "ffn")


def test_bypass_within_prefill_alone_is_kept():
    plan = LayerPlan(num_layers=4, groups=[[0], [1], [2], [3]], prefill=[[0, 1], [2, 3]], bypass=1)
    assert plan.bypass == 1


@pytest.mark.parametrize(
    ("slug", "depth"), [("S12-E30-P2-D1", 23), ("S14-E30-P4-D1", 20), ("dense", 32)]
)
def test_depth_of_the_papers_configurations(slug, depth):
    plan = LayerPlan.from_slug(slug, 32)
    assert plan.depth == depth
    assert plan.ideal_speedup == 32 / depth
    assert len(plan.stored_layers) == 32


def test_kept_layers_with_a_dense_prompt():
    plan = kept_layers_plan(4, [3, 0], prompt_dense=True)
    assert plan.groups == ((0,), (3,))
    assert plan.prefill_groups == dense_plan(4).groups
    assert plan.ideal_speedup == 2
    assert kept_layers_plan(4, [3, 0]).stored_layers == (0, 3)
    assert kept_layers_plan(4, [0, 1, 2, 3], prompt_dense=True) == dense_plan(4)


def test_halves_of_a_layer():
    plan = LayerPlan(num_layers=4, groups=[["0.attn", "0.mlp"], ["1.mlp"], [2, "3.attn"]])
    assert plan.depth == 2
    assert plan.layers == plan.stored_layers == (0, 1, 2, 3)
    assert plan.attending_layers == (0, 2, 3)
    assert re.fullmatch(r"N4-G2-[0-9a-f]{8}", plan.slug)
    assert "G1h5" in LayerPlan(num_layers=4, groups=[[0], ["1.mlp"]]).slug


def test_halves_in_sequence_are_the_layer():
    assert LayerPlan(num_layers=2, groups=[["0.attn"], ["0.mlp"], [1]]) == dense_plan(2)


def test_a_ladder_is_in_names_and_files_only_where_there_is_one():
    dense = dense_plan(4)
    assert "ladder" not in dense.to_dict()
    plan = LayerPlan(num_layers=4, groups=dense.groups, ladder=[1, 3])
    assert plan.to_dict() == dense.to_dict() | {"ladder": [1, 3]}
    assert (plan.ladder, plan.depth, plan.ideal_speedup) == ((1, 3), 4, 1)
    assert plan != dense
    assert plan.slug == "N4-G4-d1e64929"
    pairs = uniform_plan(6, 0, 4, 2)
    assert LayerPlan(num_layers=6, groups=pairs.groups, ladder=(4, 6)).slug != pairs.slug
    assert [plan.in_ladder(stage) for stage in plan.groups] == [False, True, True, False]


def test_a_ladder_is_trimmed_to_the_layers_that_are_there():
    kept = kept_layers_plan(8, [0, 3, 5])
    plan = LayerPlan(num_layers=8, groups=kept.groups, ladder=(1, 8))
    assert plan == LayerPlan(num_layers=8, groups=kept.groups, ladder=(3, 6))
    assert plan.ladder == (3, 6)
    assert LayerPlan(num_layers=8, groups=kept.groups, ladder=(6, 8)) == kept
    skipping = LayerPlan(num_layers=8, groups=[[0], [3]], prefill=kept.groups, ladder=(1, 8))
    assert skipping.ladder == (3, 6)


@pytest.mark.parametrize(
    "stages", [{"groups": [[0], [1, 2], [3]]}, {"prefill": [[0], ["1.attn", "1.mlp"], [2], [3]]}]
)
def test_a_ladder_takes_whole_layers_that_run_alone(stages):
    fields = dense_plan(4).to_dict() | stages
    LayerPlan.from_dict(fields | {"ladder": [3, 4]})
    with pytest.raises(ValueError, match=one_line("ladder", "[0, 2) holds a part of stage [")):
        LayerPlan.from_dict(fields | {"ladder": [0, 2]})


@pytest.mark.parametrize(
    ("field", "bad", "said"),
    [
        ("groups", [[0], [0]], "layer 0 appears twice"),
        ("groups", [[0], [1], [0]], "layer 0 appears twice"),
        ("groups", [[2, 2]], "layer 2 appears twice"),
        ("groups", [[0, 1], [1, 2]], "layer 1 appears twice"),
        ("groups", [[0, 3, 2]], "layer 2 is out of order"),
        ("groups", [[0], [4]], "layer 4 is out of range"),
        ("groups", [[-1], [0]], "layer -1 is out of range"),
        ("groups", [[0], []], "stage is empty"),
        ("groups", [], "no layer"),
        ("groups", "dense", "'d'"),
        ("groups", [["0.attn"], [0]], "layer 0 appears twice"),
        ("groups", [["0.mlp"], ["0.attn"]], "layer 0.attn is out of order"),
        ("groups", [["4.mlp"], [0]], "layer 4 is out of range"),
        ("groups", [["0.mlp"], ["2.mlp"]], "no attention"),
        ("groups", [["1.ffn"], [2]], "'1.ffn' is not a layer index"),
        ("groups", [0, 1], "[0, 1]"),
        ("groups", None, "None"),
        ("num_layers", 0, "0 must"),
        ("bypass", -1, "-1 must"),
        ("bypass_target", "attention", "'attention'"),
        ("bypass_target", None, "None"),
        ("bypass_target", ["ffn"], "['ffn']"),
        ("prefill", [], "no layer"),
        ("prefill", 7, "7 is not"),
        ("prefill", [[0, 9]], "layer 9 is out of range"),
        ("prefill", [[1, 1]], "layer 1 appears twice"),
        ("prefill", [[0], [1], [3]], "layer 2"),
        ("ladder", 7, "7 is not a run"),
        ("ladder", [1], "[1] is not a run"),
        ("ladder", [0, 2.0], "[0, 2.0] is not a run"),
        ("ladder", [False, 2], "[False, 2] is not a run"),
        ("ladder", [2, 2], "[2, 2) is no run"),
        ("ladder", [-1, 2], "[-1, 2) is no run"),
        ("ladder", [1, 5], "[1, 5) is no run"),
    ],
    ids=str,
)
def test_malformed_field(field, bad, said):
    with pytest.raises(ValueError, match=one_line(field, said)):
        LayerPlan.from_dict(dense_plan(4).to_dict() | {field: bad})


@pytest.mark.parametrize("bad", [True, 1.0, "1", None])
@pytest.mark.parametrize("field", ["num_layers", "bypass", "groups", "prefill"])
def test_not_a_whole_number(field, bad):
    value = [[0], [bad]] if field in ("groups", "prefill") else bad
    with pytest.raises(ValueError, match=one_line(field, repr(bad))):
        LayerPlan.from_dict(dense_plan(4).to_dict() | {field: value})


@pytest.mark.parametrize("field", ["skip", "two\nlines"])
def test_unknown_field(field):
    said = rf"\A[^\n]*{field.split()[0]}[^\n]*unknown field[^\n]*\Z"
    with pytest.raises(ValueError, match=said):
        LayerPlan.from_dict(dense_plan(4).to_dict() | {field: 1})


@pytest.mark.parametrize("field", ["num_layers", "groups"])
def test_missing_field(field):
    whole = dense_plan(4).to_dict()
    del whole[field]
    with pytest.raises(ValueError, match=one_line(field, "missing")):
        LayerPlan.from_json(json.dumps(whole))


@pytest.mark.parametrize(
    ("text", "value"),
    [("", "not JSON"), ("S1-E3\n-P2", "not JSON"), ("[[0]]", "[[0]]"), ("null", "None")],
)
def test_not_a_plan_in_json(text, value):
    with pytest.raises(ValueError, match=one_line("plan", value)):
        LayerPlan.from_json(text)


@pytest.mark.parametrize(
    ("slug", "field", "value"),
    [
        ("S1-E3-P2", "plan", "'S1-E3-P2'"),
        ("s1-e3-p2-d1", "plan", "'s1-e3-p2-d1'"),
        ("S1-E3-P2-D1-up\n", "plan", r"'S1-E3-P2-D1-up\n'"),
        ("S1-E9-P2-D1", "start, end", "[1, 9)"),
        ("S3-E1-P2-D1", "start, end", "[3, 1)"),
        ("S1-E3-P0-D1", "group_size", "0 must"),
    ],
)
def test_malformed_slug(slug, field, value):
    with pytest.raises(ValueError, match=one_line(field, value)):
        LayerPlan.from_slug(slug, 4)


def test_plan_for_another_checkpoint():
    dense_plan(30).check_depth(30)
    said = one_line("num_layers", "30 layers, the checkpoint has 32")
    with pytest.raises(ValueError, match=said):
        dense_plan(30).check_depth(32)


def test_plans_do_not_import_torch():
    script = "import sys, cqil.plan.layer_plan; print({'torch', 'transformers'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
