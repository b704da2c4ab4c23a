"""Removal rules delete what their papers and released code say; golden facts, no model."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_evaluator import MadeUpEvaluator, drawn, searched
from removal_plans import removed, run

from baselines.registry import methods
from baselines.removal.blockpruner import BlockPruner, halves_of
from baselines.removal.gromov import Gromov
from baselines.removal.last_n import LastN
from baselines.removal.magnitude import Magnitude
from baselines.removal.random_removal import RandomRemoval
from baselines.removal.relative_magnitude import RelativeMagnitude
from baselines.removal.shortened_llama import Shortened
from baselines.removal.shortgpt import ShortGPT
from baselines.removal.sleb import SLEB
from cqil.methods.evidence import Evidence, LayerSimilarity

# Every rule that brings any checkpoint to a depth, with what it needs beside it.
RULES = {
    "blockpruner": {},
    "gromov": {},
    "laco": {},
    "laco notebook": {"rule": "notebook", "window": 3, "interval": 1},
    "last-n": {},
    "last-n whole": {"keep_final": False},
    "magnitude": {},
    "random": {"seed": 0},
    "relative-magnitude": {},
    "shortened": {"criterion": "ppl"},
    "shortened taylor": {"criterion": "taylor"},
    "shortgpt": {},
    "sleb": {},
}


def evidence(num_layers, **measured):
    return Evidence(num_layers=num_layers, **measured)


def similar(influence, angular=None):
    """Similarity of L layers with these block influences and angles of the L+1 states."""
    states = len(influence) + 1
    cosine = np.full((states, states), 0.5)
    np.fill_diagonal(cosine, 1)
    for layer, value in enumerate(influence):
        cosine[layer, layer + 1] = cosine[layer + 1, layer] = 1 - value
    return LayerSimilarity(cosine, np.zeros_like(cosine) if angular is None else np.array(angular))


@pytest.mark.parametrize("rule", RULES)
@given(data=st.data())
def test_every_rule_reaches_every_depth_exactly(rule, data):
    num_layers = data.draw(st.integers(8, 14))
    depth = data.draw(st.integers(6, num_layers - 1))
    method = methods()[rule.split()[0]](depth=depth, **RULES[rule])
    bench = MadeUpEvaluator(num_layers, seed=data.draw(st.integers(0, 99)))
    influence = [drawn(bench.seed, layer) for layer in range(num_layers)]
    plan = method.plan(
        evidence(
            num_layers,
            similarity=similar(influence),
            search_result=searched(method, bench) if method.search_key else None,
        )
    )
    assert plan.depth == depth
    assert plan.prefill is None
    assert plan.max_group_size == 1


# --- by similarity


def test_block_influence_is_one_minus_cosine_of_input_and_output():
    influence = [0.4, 0.1, 0.3]
    np.testing.assert_allclose(similar(influence).block_influence, influence)


def test_shortgpt_removes_the_least_influential_and_never_more():
    found = evidence(6, similarity=similar([0.9, 0.05, 0.3, 0.1, 0.2, 0.8]))
    assert [removed(ShortGPT(depth=d).plan(found)) for d in (5, 4, 3, 1)] == [
        {1},
        {1, 3},
        {1, 3, 4},
        {1, 2, 3, 4, 5},
    ]


def test_shortgpt_keeps_the_lower_of_equal_layers():
    found = evidence(5, similarity=similar([0.5, 0.25, 0.25, 0.25, 0.5]))
    assert removed(ShortGPT(depth=3).plan(found)) == {2, 3}


def test_shortgpt_removes_the_published_set_of_llama_2_7b():
    """The paper's nine layers of 32, as a set; its order is of another calibration text."""
    order = [27, 26, 25, 28, 24, 29, 23, 21, 22]
    influence = np.linspace(0.5, 0.9, 32)
    influence[order] = np.linspace(0.01, 0.2, len(order))
    plan = ShortGPT(depth=23).plan(evidence(32, similarity=similar(influence)))
    assert removed(plan) == set(order)


def test_gromov_removes_the_run_whose_ends_are_closest():
    angular = np.full((6, 6), 0.5)
    angular[2, 4] = angular[4, 2] = 0.1  # layers 2 and 3
    angular[0, 1] = angular[1, 0] = 0.01  # one layer: not asked for below
    angular[1, 4] = angular[4, 1] = 0.2  # layers 1, 2 and 3
    found = evidence(5, similarity=similar([0.5] * 5, angular))
    assert [removed(Gromov(depth=d).plan(found)) for d in (4, 3, 2)] == [{0}, {2, 3}, {1, 2, 3}]


@given(st.integers(2, 20), st.data())
def test_gromov_removes_one_run_of_the_least_angle(num_layers, data):
    depth = data.draw(st.integers(1, num_layers - 1))
    angular = np.random.default_rng(depth).random((num_layers + 1,) * 2)
    found = evidence(num_layers, similarity=similar([0.5] * num_layers, angular))
    gone = removed(Gromov(depth=depth).plan(found))
    first, n = min(gone), num_layers - depth
    assert gone == set(range(first, first + n))
    assert angular[first, first + n] == min(angular[i, i + n] for i in range(depth + 1))


# --- without evidence


def test_random_removal_draws_by_seed_and_keeps_the_ends():
    plans = [RandomRemoval(depth=22, seed=seed).plan(evidence(30)) for seed in (0, 1, 2)]
    assert len({plan.slug for plan in plans}) == 3
    assert plans == [RandomRemoval(depth=22, seed=seed).plan(evidence(30)) for seed in (0, 1, 2)]
    assert all(len(removed(plan)) == 8 and {0, 29} <= set(plan.layers) for plan in plans)


def test_last_n_keeps_the_final_layer_unless_told_otherwise():
    assert removed(LastN(depth=22).plan(evidence(30))) == set(range(21, 29))
    assert removed(LastN(depth=22, keep_final=False).plan(evidence(30))) == set(range(22, 30))
    assert LastN(depth=1).plan(evidence(5)).layers == (4,)


# --- by a score of each layer


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("magnitude", partial(Magnitude, protect_first=0, protect_last=0)),
        ("relative", RelativeMagnitude),
    ],
)
def test_salience_rules_remove_the_least(kind, method):
    bench = MadeUpEvaluator(5, saliences={kind: [3.0, 1.0, 5.0, 2.0, 4.0]})
    assert [removed(run(method(depth=d), bench)) for d in (4, 2)] == [{1}, {0, 1, 3}]


def test_magnitude_leaves_the_ends_alone():
    bench = MadeUpEvaluator(9, saliences={"magnitude": [0.0, 1, 2, 3, 9, 8, 7, 5, 4]})
    assert removed(run(Magnitude(depth=8), bench)) == {6}
    assert removed(run(Magnitude(depth=8, protect_first=1), bench)) == {1}


@pytest.mark.parametrize("kind", ["magnitude", "relative-magnitude", "shortened"])
def test_one_search_serves_every_depth(kind):
    options = {"criterion": "ppl"} if kind == "shortened" else {}
    keys = {methods()[kind](depth=d, **options).search_key for d in (7, 9)}
    if kind == "shortened":
        keys.add(Shortened(criterion="ppl", depth=7, protect_first=0).search_key)
        assert Shortened(criterion="taylor", depth=7).search_key not in keys
    assert len(keys) == 1


def test_shortened_by_perplexity_judges_each_layer_in_the_whole_model():
    cost = [0.0, 9.0, 0.5, 7.0, 1.0, 0.0]
    bench = MadeUpEvaluator(6, losses=lambda plan: sum(cost[layer] for layer in removed(plan)))
    plan = run(Shortened(criterion="ppl", depth=4, protect_first=1, protect_last=1), bench)
    assert [removed(asked) for asked in bench.asked] == [{layer} for layer in range(6)]
    assert bench.expected == 6
    assert removed(plan) == {2, 4}


@pytest.mark.parametrize("criterion", ["ppl", "taylor"])
def test_shortened_protects_the_first_four_and_last_two(criterion):
    scores = [abs(layer - 28.5) for layer in range(30)]

    def plan(**options):
        bench = MadeUpEvaluator(
            30, saliences={"taylor": scores}, losses=lambda plan: scores[removed(plan).pop()]
        )
        return run(Shortened(criterion=criterion, **options), bench)

    assert removed(plan(depth=24)) == {22, 23, 24, 25, 26, 27}
    bare = plan(depth=24, protect_first=0, protect_last=0)
    assert removed(bare) == {24, 25, 26, 27, 28, 29}
    assert plan(depth=6).layers == (0, 1, 2, 3, 28, 29)


def test_depth_below_the_protected_layers_is_one_line():
    with pytest.raises(ValueError, match=r"\Adepth: 5 [^\n]* 6 of 30 layers are protected[^\n]*\Z"):
        run(Shortened(criterion="taylor", depth=5), MadeUpEvaluator(30))
    with pytest.raises(ValueError, match=r"\Adepth: 1 [^\n]* 2 of 6 layers are protected[^\n]*\Z"):
        SLEB(depth=1).search(MadeUpEvaluator(6))


def test_a_score_that_overflowed_deletes_nothing():
    bench = MadeUpEvaluator(4, saliences={"magnitude": [1.0, math.nan, 2.0, 3.0]})
    assert removed(run(Magnitude(depth=2, protect_first=0, protect_last=0), bench)) == {0, 2}


# --- greedy


def runs(plan, half):
    """Whether the half runs, on its own or in its whole layer."""
    return any(str(member) in (half, half.split(".")[0]) for (member,) in plan.groups)


def test_sleb_judges_its_second_pick_in_the_model_without_the_first():
    alone = {1: 1.0, 2: 1.1, 3: 1.2, 4: 1.3}
    together = {(1, 2): 5.0, (1, 3): 2.0, (1, 4): 3.0}

    def losses(plan):
        gone = sorted(removed(plan))
        return alone[gone[0]] if len(gone) == 1 else together[tuple(gone)]

    bench = MadeUpEvaluator(6, losses=losses)
    assert removed(run(SLEB(depth=4), bench)) == {1, 3}
    # One by one, as Shortened LLaMA looks at them, it would have been layers 1 and 2.
    assert [sorted(removed(plan)) for plan in bench.asked] == [
        *([layer] for layer in alone),
        *([1, layer] for layer in (2, 3, 4)),
    ]
    assert bench.expected == len(bench.asked)


def test_sleb_goes_on_where_a_deeper_search_ended():
    deep, shallow = (searched(SLEB(depth=d), MadeUpEvaluator(12)) for d in (9, 6))
    assert shallow["drops"][: len(deep["drops"])] == deep["drops"]
    assert {0, 11}.isdisjoint(row["dropped"] for row in shallow["drops"])


@given(st.integers(2, 7), st.data())
def test_blockpruner_drops_exactly_two_halves_a_layer(num_layers, data):
    depth = data.draw(st.integers(1, num_layers - 1))
    bench = MadeUpEvaluator(num_layers, seed=data.draw(st.integers(0, 99)))
    found = searched(BlockPruner(depth=depth), bench)
    plan = BlockPruner(depth=depth).plan(evidence(num_layers, search_result=found))
    halves = sum(2 if isinstance(member, int) else 1 for (member,) in plan.groups)
    assert len(found["drops"]) == 2 * (num_layers - depth)
    assert halves == 2 * depth
    assert plan.depth == depth
    assert plan.attending_layers


def test_blockpruner_takes_halves_apart_and_looks_again():
    first = {"1.mlp": 0.5}
    second = {"2.attn": 1.0, "1.attn": 2.0}

    def losses(plan):
        gone = set(halves_of(3)) - {half for half in halves_of(3) if runs(plan, half)}
        return second.get((gone - {"1.mlp"}).pop(), 3.0) if len(gone) > 1 else first.get(*gone, 0.9)

    bench = MadeUpEvaluator(3, losses=losses)
    found = searched(BlockPruner(depth=2), bench)
    assert [row["dropped"] for row in found["drops"]] == ["1.mlp", "2.attn"]
    assert len(bench.asked) == bench.expected == 6 + 5
    plan = BlockPruner(depth=2).plan(evidence(3, search_result=found))
    assert plan.groups == ((0,), ("1.attn",), ("2.mlp",))
    assert plan.depth == 2


def test_blockpruner_keeps_an_attention_though_none_is_missed():
    bench = MadeUpEvaluator(3, losses=lambda plan: len(plan.attending_layers))
    plan = run(BlockPruner(depth=1), bench)
    assert plan.groups == ((2,),)


def test_a_loss_that_overflowed_is_not_the_least():
    bench = MadeUpEvaluator(5, losses=lambda plan: math.nan if removed(plan) == {1} else 2.0)
    assert removed(run(SLEB(depth=4), bench)) == {2}


def test_all_methods_but_laco_leave_the_weights_alone():
    assert LastN(depth=3).merges(evidence(5)) == ()
