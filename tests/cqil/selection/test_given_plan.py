"""Plans that the user gives: by slug, by groups, by file; or one line."""

import json

import pytest
from pydantic import ValidationError

from cqil import LayerPlan, uniform_plan
from cqil.methods.evidence import Evidence
from cqil.selection.given_plan import GivenPlan

PLAN = uniform_plan(6, 1, 5, 2, bypass=1)
OF_FOUR_LAYERS = json.dumps(uniform_plan(4, 0, 4, 2).to_dict())
EVIDENCE = Evidence(num_layers=6)


@pytest.mark.parametrize("content", [PLAN.to_dict(), {"plan": PLAN.to_dict(), "kind": "latency"}])
def test_a_file_holds_a_plan_or_names_one(tmp_path, content):
    (tmp_path / "plan.json").write_text(json.dumps(content))
    method = GivenPlan(file=str(tmp_path / "plan.json"))
    assert method.plan(EVIDENCE) == PLAN
    assert method.input_files == (str(tmp_path / "plan.json"),)


def test_slugs_and_groups():
    assert GivenPlan(slug="S1-E5-P2-D1").plan(EVIDENCE) == PLAN
    groups = [[0], [1, "2.attn"], [5]]
    assert GivenPlan(groups=groups).plan(EVIDENCE) == LayerPlan(num_layers=6, groups=groups)
    assert GivenPlan(slug="dense").input_files == ()


@pytest.mark.parametrize("options", [{}, {"slug": "dense", "groups": [[0]]}, {"groups": []}])
def test_options_that_name_none_or_two_are_refused(options):
    with pytest.raises(ValidationError):
        GivenPlan(**options)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"plan": 3}',
        '{"plan": {"num_layers": "x"}}',
        OF_FOUR_LAYERS,
    ],
)
def test_files_without_a_fitting_plan_are_refused(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        GivenPlan(file=str(tmp_path / "plan.json")).plan(EVIDENCE)
    with pytest.raises(ValueError, match=r"\Afile: [^\n]* cannot be read[^\n]*\Z"):
        GivenPlan(file=str(tmp_path / "absent.json")).plan(EVIDENCE)
