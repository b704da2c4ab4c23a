"""How a manifest says that a variant was healed."""

from __future__ import annotations

import math

import pytest
from made_up_healing import ADAPTER, PAIRS, healed_run, lora, refit
from made_up_results import VARIANTS, MadeUpRun, write_json

from benchmarks.results.files import read_json
from reports.data.healing import HealedHere, healing_steps, total_minutes, total_tokens
from reports.data.labels import healing_way
from reports.data.load_results import load_results
from reports.data.measured_on import healing_machines


def test_steps_are_read_in_order_and_merges_are_none_of_them():
    merge = {"kind": "merge", "into": 1, "taken": [2], "rule": "paper"}
    steps = healing_steps([merge, refit(0.5, 0.25), lora(0.25, 0.125)])
    assert healing_way(steps) == "refit, then LoRA"
    assert total_tokens(steps) == 131072 + 65536
    assert total_minutes(steps) == 8
    assert healing_steps([merge]) == []


def test_the_cost_of_an_adapter_of_others_is_not_known():
    steps = healing_steps([ADAPTER, lora(0.5, 0.25)])
    assert not isinstance(steps[0], HealedHere)
    assert math.isnan(total_tokens(steps))
    assert math.isnan(total_minutes(steps))


def test_variants_know_whether_they_are_healed(tmp_path):
    results = load_results(healed_run().fill(tmp_path))
    assert [variant.name for variant in results.unhealed] == ["dense", "pairs", "gone4"]
    assert {variant.name for variant in results.healed} == set(results.variants) - {
        "dense",
        "pairs",
        "gone4",
    }


def test_results_without_edits_load_as_before(folder):
    for path in (folder / "variants").glob("*.json"):
        manifest = read_json(path)
        del manifest["edits"]
        write_json(path, manifest)
    assert load_results(folder).healed == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"method": "prayer"}, "edits.0.made: .*'prayer'"),
        ({"tokens": -1}, "edits.0.made.refit.tokens: .*greater than or equal to 0"),
        ({"hardware": {}}, "edits.0.made.refit.hardware.cpu: Field required"),
        ({"course": []}, "edits.0.made.refit.course: .*at least 1 item"),
        ({"course": [{"tokens": 0, "seconds": 0}]}, "course.0.held_out: Field required"),
        ({"dense_held_out": None}, "dense_held_out: .*number"),
    ],
)
def test_another_shape_is_one_line(tmp_path, changes, fault):
    edit = refit(0.5, 0.25)
    edit["made"] |= changes
    variants = {"dense": VARIANTS["dense"], "pairs": (*PAIRS, [edit])}
    folder = MadeUpRun(variants, {"dense": 3.0, "pairs": 3.5}).fill(tmp_path)
    with pytest.raises(ValueError, match=rf"\A[^\n]*pairs\.json: [^\n]*{fault}[^\n]*\Z"):
        load_results(folder)


def test_healing_names_its_machines(tmp_path):
    here = "Imaginary CPU; device cpu, 2 of 4 threads, float32"
    run = healed_run(healing={"processes": 2})
    several = healing_machines(load_results(run.fill(tmp_path / "several")))
    assert several == (
        f"{here} (p-ref, p-two, g-ref); "
        f"{here.replace('2 of 4', '2 processes of 2 of 4')} (p-lor, p-two, g-lor)"
    )
    assert healing_machines(load_results(healed_run().fill(tmp_path / "one"))) == here
    unhealed = load_results(MadeUpRun().fill(tmp_path / "none"))
    assert healing_machines(unhealed) == ""
