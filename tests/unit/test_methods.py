"""Methods choose the layers that their papers and released code say; golden facts, no model."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from baselines.registry import methods
from baselines.removal.gromov import Gromov
from baselines.removal.random_removal import RandomRemoval
from baselines.removal.shortgpt import ShortGPT
from baselines.skipping.unified import UnifiedSkipping, code_rule, even_rule
from cqil import dense_plan
from cqil.method import Evidence, Similarity

FAMILIES = {"dense", "cqil", "removal", "skipping"}

# Layers and target ratio -> kept layers of the released script of arXiv 2404.06954.
CODE_RULE = [
    (30, 2, [*range(0, 27, 2), 29]),
    (30, 3, [*range(0, 25, 3), 29]),
    (30, 5, [0, 6, 12, 18, 24, 29]),
    (30, 10, [0, 15, 29]),
    (32, 2, [*range(0, 29, 2), 31]),
    (32, 3, [*range(0, 25, 3), 31]),
    (32, 4, [*range(0, 25, 4), 31]),
    (32, 5, [0, 6, 12, 18, 24, 31]),
    (32, 10, [0, 16, 31]),
    (40, 5, [*range(0, 31, 5), 39]),
    (40, 10, [0, 13, 26, 39]),
]


def evidence(num_layers, **found):
    return Evidence(num_layers=num_layers, **found)


def similar(influence, angular=None):
    """Similarity of L layers with these block influences and angles of the L+1 states."""
    states = len(influence) + 1
    cosine = np.full((states, states), 0.5)
    np.fill_diagonal(cosine, 1)
    for layer, value in enumerate(influence):
        cosine[layer, layer + 1] = cosine[layer + 1, layer] = 1 - value
    return Similarity(cosine, np.zeros_like(cosine) if angular is None else np.array(angular))


def removed(plan):
    assert plan.prefill is None
    assert plan.max_group_size == 1
    return set(range(plan.num_layers)) - set(plan.layers)


def test_every_method_is_registered_under_the_name_that_configurations_write():
    assert set(methods()) == {"dense", "uniform", "shortgpt", "gromov", "random", "unified"}
    for name, kind in methods().items():
        assert kind.model_fields["method"].default == name
        assert kind.family in FAMILIES


def test_registry_starts_without_torch():
    code = "import sys; from baselines.registry import methods; methods(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "baselines.removal.shortgpt" in loaded
    assert not {"torch", "transformers"} & set(loaded)


def test_dense_is_the_unchanged_checkpoint():
    assert methods()["dense"]().plan(evidence(7)) == dense_plan(7)


@pytest.mark.parametrize(("num_layers", "speedup", "kept"), CODE_RULE)
def test_code_rule_keeps_what_the_released_script_keeps(num_layers, speedup, kept):
    assert code_rule(num_layers, speedup) == kept
    plan = UnifiedSkipping(rule="code", speedup=speedup).plan(evidence(num_layers))
    assert list(plan.layers) == kept
    assert plan.prefill_groups == dense_plan(num_layers).groups


@given(st.integers(2, 90), st.floats(1.001, 45))
def test_code_rule_keeps_both_ends_and_as_many_as_asked(num_layers, speedup):
    asked = math.floor(num_layers / speedup)
    if asked < 2:
        with pytest.raises(ValueError, match=r"\Aspeedup: [^\n]*\Z"):
            code_rule(num_layers, speedup)
        return
    kept = code_rule(num_layers, speedup)
    assert len(kept) == asked
    assert kept == sorted(set(kept))
    assert (kept[0], kept[-1]) == (0, num_layers - 1)


def test_speedup_that_leaves_no_two_layers_names_the_largest():
    with pytest.raises(ValueError, match=r"\Aspeedup: 16\.0 leaves 1 of 30 [^\n]* 15\Z"):
        UnifiedSkipping(rule="code", speedup=16).plan(evidence(30))


@given(st.data())
def test_even_rule_spaces_by_at_most_one_layer_more(data):
    num_layers = data.draw(st.integers(3, 90))
    depth = data.draw(st.integers(2, num_layers - 1))
    kept = even_rule(num_layers, depth)
    gaps = np.diff(kept)
    assert len(kept) == depth
    assert (kept[0], kept[-1]) == (0, num_layers - 1)
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


def test_even_rule_skips_for_generated_tokens_alone():
    plan = UnifiedSkipping(rule="even", depth=4).plan(evidence(10))
    assert plan.layers == (0, 3, 6, 9)
    assert plan.prefill_groups == dense_plan(10).groups
    assert UnifiedSkipping(rule="even", depth=1).plan(evidence(10)).layers == (0,)


@pytest.mark.parametrize(
    "options",
    [
        {"rule": "code"},
        {"rule": "code", "depth": 4},
        {"rule": "code", "depth": 4, "speedup": 2},
        {"rule": "even", "speedup": 2},
        {"rule": "paper", "speedup": 2},
    ],
)
def test_unified_takes_the_target_of_its_rule_alone(options):
    with pytest.raises(ValidationError):
        UnifiedSkipping(**options)


def test_block_influence_is_one_minus_cosine_of_input_and_output():
    influence = [0.4, 0.1, 0.3]
    np.testing.assert_allclose(similar(influence).block_influence, influence)


def test_similarity_round_trip_leaves_other_keys_alone():
    before = similar([0.4, 0.1], np.arange(9).reshape(3, 3) / 9)
    after = Similarity.from_dict(before.to_dict() | {"model": "any"})
    np.testing.assert_array_equal(after.cosine, before.cosine)
    np.testing.assert_array_equal(after.angular_last, before.angular_last)


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


def test_random_removal_draws_by_seed_and_keeps_the_ends():
    plans = [RandomRemoval(depth=22, seed=seed).plan(evidence(30)) for seed in (0, 1, 2)]
    assert len({plan.slug for plan in plans}) == 3
    assert plans == [RandomRemoval(depth=22, seed=seed).plan(evidence(30)) for seed in (0, 1, 2)]
    assert all(len(removed(plan)) == 8 and {0, 29} <= set(plan.layers) for plan in plans)


@pytest.mark.parametrize("name", ["shortgpt", "gromov", "random", "unified"])
@pytest.mark.parametrize("depth", [6, 60])
def test_depth_that_removes_nothing_is_refused(name, depth):
    extra = {"random": {"seed": 0}, "unified": {"rule": "even"}}.get(name, {})
    method = methods()[name](depth=depth, **extra)
    with pytest.raises(ValueError, match=rf"\Adepth: {depth} [^\n]*\Z"):
        method.plan(evidence(6, similarity=similar([0.5] * 6)))


def test_only_readers_of_the_profile_ask_for_it():
    options = {"random": {"seed": 0}, "unified": {"rule": "even"}, "uniform": {"group_size": 2}}
    kinds = {name: kind for name, kind in methods().items() if name != "dense"}
    needing = {
        n for n, kind in kinds.items() if kind(depth=3, **options.get(n, {})).needs_similarity
    }
    assert needing == {"shortgpt", "gromov"}
