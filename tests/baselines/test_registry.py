"""What all methods have in common: names, families, imports, and the depth that they refuse."""

import subprocess
import sys

import numpy as np
import pytest
from made_up_evaluator import MadeUpEvaluator

from baselines.registry import methods
from cqil import dense_plan
from cqil.methods.evidence import Evidence, LayerSimilarity
from reports.data.labels import FAMILIES
from reports.figures.style import COLOURS, LOOKS

REMOVAL = {
    "blockpruner",
    "gromov",
    "laco",
    "last-n",
    "magnitude",
    "random",
    "relative-magnitude",
    "shortened",
    "shortgpt",
    "sleb",
}
SKIPPING = {"early-exit", "skipdecode", "unified"}
ORDERS = {"ladder", "layer-parallel", "painters", "parallel-attention"}
# Options beside the depth that a method cannot do without.
OPTIONS = {
    "random": {"seed": 0},
    "unified": {"rule": "even"},
    "shortened": {"criterion": "ppl", "protect_first": 1, "protect_last": 1},
}
BY_DEPTH = sorted(REMOVAL | {"unified", "layer-parallel"})


def test_every_method_is_registered_under_the_name_that_configurations_write():
    for name, kind in methods().items():
        assert kind.model_fields["method"].default == name
    by_folder = {folder: set() for folder in ("removal", "skipping", "orders", "selection")}
    for name, kind in methods().items():
        by_folder[kind.__module__.split(".")[1]].add(name)
    assert by_folder["removal"] == REMOVAL
    assert by_folder["skipping"] == SKIPPING
    assert by_folder["orders"] == ORDERS
    assert {"dense", "uniform"} <= by_folder["selection"]


def test_every_family_has_a_look():
    assert set(COLOURS) == set(FAMILIES) == {kind.family for kind in methods().values()}
    assert len(set(COLOURS.values())) == len(COLOURS)
    looks = [LOOKS[name] for name in (REMOVAL | SKIPPING | ORDERS) & set(LOOKS)]
    assert len({(marker, fill) for _, marker, fill in looks}) == len(looks)


def test_every_option_is_described():
    for kind in methods().values():
        own = {name: field for name, field in kind.model_fields.items() if name != "method"}
        assert all(field.description for field in own.values()), kind


def test_registry_starts_without_torch():
    code = "import sys; from baselines.registry import methods; methods(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "baselines.removal.shortgpt" in loaded
    assert not {"torch", "transformers"} & set(loaded)


def test_dense_is_the_unchanged_checkpoint():
    assert methods()["dense"]().plan(Evidence(num_layers=7)) == dense_plan(7)


@pytest.mark.parametrize("name", BY_DEPTH)
@pytest.mark.parametrize("depth", [6, 60])
def test_depth_that_removes_nothing_is_refused(name, depth):
    """By the search, before it asks anything, or else by the plan."""
    method = methods()[name](depth=depth, **OPTIONS.get(name, {}))
    bench = MadeUpEvaluator(6)
    similarity = LayerSimilarity(np.eye(7), np.eye(7))
    with pytest.raises(ValueError, match=rf"\Adepth: {depth} [^\n]*\Z"):
        method.plan(
            Evidence(
                num_layers=6,
                similarity=similarity,
                search_result=method.search(bench) if method.search_key else None,
            )
        )


@pytest.mark.parametrize("name", BY_DEPTH)
def test_depth_without_a_layer_is_refused(name):
    with pytest.raises(ValueError, match="depth"):
        methods()[name](depth=0, **OPTIONS.get(name, {}))


@pytest.mark.parametrize("name", BY_DEPTH)
def test_a_plan_waits_for_its_search(name):
    method = methods()[name](depth=4, **OPTIONS.get(name, {}))
    if method.search_key:
        with pytest.raises(ValueError, match=r"\A[^\n]*\Z"):
            method.plan(Evidence(num_layers=6))


def test_only_readers_of_the_profile_ask_for_it():
    built = {name: methods()[name](depth=3, **OPTIONS.get(name, {})) for name in BY_DEPTH}
    assert {n for n, method in built.items() if method.needs_similarity} == {"shortgpt", "gromov"}


def test_searches_of_different_methods_do_not_share_a_name():
    """Layer Parallelism places its run as CQIL places its pairs, so these two do."""
    keys = [methods()[name](depth=3, **OPTIONS.get(name, {})).search_key for name in BY_DEPTH]
    keys = [key for key in keys if key]
    assert len(set(keys)) == len(keys)
    pairs = methods()["uniform"](group_size=2, depth=3)
    assert methods()["layer-parallel"](depth=3).search_key == pairs.search_key


def test_similarity_round_trip_leaves_other_keys_alone():
    before = LayerSimilarity(np.eye(3) / 2, np.arange(9).reshape(3, 3) / 9)
    after = LayerSimilarity.from_dict(before.to_dict() | {"model": "any"})
    np.testing.assert_array_equal(after.cosine, before.cosine)
    np.testing.assert_array_equal(after.angular_last, before.angular_last)
