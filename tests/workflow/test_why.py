"""`make why`: jobs, reasons and minutes, of what Snakemake says."""

from __future__ import annotations

import importlib.util
import json

import pytest
from project import ROOT, Project

spec = importlib.util.spec_from_file_location("why", ROOT / "workflow" / "why.py")
why = importlib.util.module_from_spec(spec)
spec.loader.exec_module(why)

DRY_RUN = """Building DAG of jobs...
Job stats:
job           count
----------  -------
all               1
latency           1
perplexity        2
total             4

"""
SUMMARY = """Building DAG of jobs...
output_file\tdate\trule\tlog-file(s)\tstatus\tplan
a/one.json\t-\tperplexity\t-\tmissing\tupdate pending
a/two.json\tMon\tperplexity\t-\tupdated input files\tupdate pending
a/six.json\tMon\tperplexity\t-\tmissing\tupdate pending
b/x.json\tMon\tlatency\tlogs/latency.log\tparams changed\tupdate pending
b/y.json\tMon\tlatency\tlogs/latency.log\tparams changed\tupdate pending
c.json\tMon\tmodel\tlogs/model.log\tok\tno update
"""


def test_jobs_and_reasons_are_those_that_snakemake_prints():
    assert why.job_counts(DRY_RUN) == {"latency": 1, "perplexity": 2}
    assert why.job_counts("Nothing to be done.") == {}
    assert why.reasons_by_rule(SUMMARY) == {
        "perplexity": "missing, updated input files",
        "latency": "params changed",
    }


def test_minutes_are_the_median_of_what_was_recorded(tmp_path):
    for number, seconds in enumerate((10, 20, 90)):
        record = {"rule": "perplexity", "starttime": 100.0, "endtime": 100.0 + seconds}
        (tmp_path / str(number)).write_text(json.dumps(record))
    assert why.seconds_by_rule(tmp_path) == {"perplexity": 20}
    assert why.seconds_by_rule(tmp_path / "nowhere") == {}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    return Project(tmp_path_factory.mktemp("why"))


def test_a_fresh_checkout_has_everything_to_do(project, monkeypatch, capfd):
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("PYTHONPATH", str(project.folder))
    assert why.main("config/smoke.yaml") == 0
    out = capfd.readouterr().out
    assert " jobs; 0 s of jobs" in out
    assert "perplexity: 6 (missing)" in out
    assert len(out.splitlines()) < 25


def test_a_malformed_configuration_is_one_line(project, monkeypatch, capfd):
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("PYTHONPATH", str(project.folder))
    path = project.write_config({"name": "run", "modle": "x"})
    assert why.main(str(path)) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: config: modle")
