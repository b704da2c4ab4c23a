"""What all methods have in common: names, families, imports, and the depth that they refuse."""

import os
import subprocess
import sys

import numpy as np
import pytest
from made_up_evaluator import MadeUpEvaluator

from baselines.registry import methods
from cqil import dense_plan
from cqil.methods.evidence import Evidence, LayerSimilarity
from reports.data.labels import FAMILIES
from reports.figures.style import COLOURS


def names_of(family):
    return {name for name, kind in methods().items() if kind.family == family}


REMOVAL = names_of("removal")
# What releases of the suite have had; configurations of users name them.
PUBLISHED = {
    *("dense", "uniform", "cosine", "greedy", "flatten", "dependency", "dynamic"),
    *("blockpruner", "gromov", "laco", "last-n", "magnitude", "random", "relative-magnitude"),
    *("shortened", "shortgpt", "sleb", "early-exit", "skipdecode", "unified"),
    *("ladder", "layer-parallel", "painters", "parallel-attention", "plan"),
}
# Options beside the depth that a method cannot do without.
OPTIONS = {
    "random": {"seed": 0},
    "unified": {"rule": "even"},
    "shortened": {"criterion": "ppl", "protect_first": 1, "protect_last": 1},
    "magnitude": {"protect_first": 1, "protect_last": 1},
}
# Options that change a method's look.
LOOK_OPTIONS = {
    "early-exit": [{"criterion": name} for name in ("fixed", "saturation", "softmax-gap")],
    "laco": [{"rule": name} for name in ("paper", "notebook")],
    "shortened": [{"criterion": name} for name in ("ppl", "taylor")],
    "unified": [{"rule": name} for name in ("code", "even", "paper")],
}
BY_DEPTH = sorted(REMOVAL | {"unified", "layer-parallel"})


def test_every_method_is_registered_under_the_name_that_configurations_write():
    """The file of a rival lies in the folder of its family, all others in `cqil/selection`."""
    for name, kind in methods().items():
        assert kind.model_fields["method"].default == name
        rival = kind.family not in ("dense", "cqil", "given")
        folder = f"baselines.{kind.family}." if rival else "cqil.selection."
        assert kind.__module__.startswith(folder)
    assert set(methods()) >= PUBLISHED


def test_every_family_has_a_look():
    assert set(COLOURS) == set(FAMILIES) == {kind.family for kind in methods().values()}
    assert len(set(COLOURS.values())) == len(COLOURS)


def test_every_method_of_the_baselines_has_a_look_of_its_own():
    """Within its family, whose colour it shares; a label in legends belongs to one method."""
    looks = [
        (kind.family, kind.model_construct(**options).look)
        for name, kind in methods().items()
        if kind.family not in ("dense", "cqil")
        for options in LOOK_OPTIONS.get(name, [{}])
    ]
    assert len({(family, look.marker, look.fill) for family, look in looks}) == len(looks)
    assert len({look.label for _, look in looks}) == len(looks)


def test_every_option_is_described():
    for kind in methods().values():
        own = {name: field for name, field in kind.model_fields.items() if name != "method"}
        assert all(field.description for field in own.values()), kind


PACKAGE = """
PACKAGE_NAME = "other"
from typing import ClassVar, Literal
from cqil import dense_plan
from cqil.methods.method import Method

class Mine(Method):
    family: ClassVar[str] = "removal"
    method: Literal["{name}"] = "{name}"

    def plan(self, evidence):
        return dense_plan(evidence.num_layers)
"""


def methods_beside(folder, entry_point, name):
    """What a process prints that asks for all methods where another package is installed."""
    (folder / "other.py").write_text(PACKAGE.format(name=name))
    info = folder / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[cqil.methods]\nmine = {entry_point}\n")
    code = "from baselines.registry import methods; print(methods()['mine'].__module__)"
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{os.getcwd()}"},
    )


@pytest.mark.parametrize("entry_point", ["other", "other:Mine"])
def test_other_packages_bring_methods(tmp_path, entry_point):
    assert methods_beside(tmp_path, entry_point, "mine").stdout == "other\n"


@pytest.mark.parametrize(
    ("entry_point", "name", "line"),
    [
        ("other", "shortgpt", "method: 'shortgpt' is in baselines.removal.shortgpt and in other;"),
        ("other:PACKAGE_NAME", "mine", "cqil.methods: other:PACKAGE_NAME is neither a module nor"),
    ],
)
def test_entry_points_that_do_not_fit_are_one_line(tmp_path, entry_point, name, line):
    done = methods_beside(tmp_path, entry_point, name)
    assert done.returncode != 0
    assert line in done.stderr.splitlines()[-1]


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
