"""A run that asks for a device which is not there ends with reasons in place of numbers."""

from __future__ import annotations

from project import Project

from benchmarks.results.result_schema import read_result


def test_absent_device_is_skipped_up_to_the_report(tiny_llama, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    project = Project(tmp_path)
    config = {
        "name": "absent",
        "model": str(tiny_llama),
        "device": "cuda",
        "variants": {
            "dense": {"method": "dense"},
            "short": {"method": "shortgpt", "depth": 3},
        },
        "calibration": {"documents": 1, "window": 32},
        "perplexity": {"documents": 2, "window": 32},
        "latency": {"ranks": [2]},
        "report": {"resamples": 999},
    }
    done = project.snakemake("--configfile", str(project.write_config(config)))
    assert done.returncode == 0, done.stdout
    folder = tmp_path / "results" / "absent"
    perplexities = [read_result(path) for path in folder.glob("perplexity/*.json")]
    latencies = [read_result(path) for path in folder.glob("latency/*/*/*.json")]
    assert {result.variant for result in perplexities} == {"dense", "short"}
    assert {(result.backend.name, result.variant) for result in latencies} == {
        ("engine", "dense"),
        ("engine", "dense-control"),
        ("engine", "short"),
        ("ranks-2", "dense"),
        ("ranks-2", "dense-control"),
        ("ranks-2", "short"),
        ("transformers", "dense"),
    }
    results = [*perplexities, *latencies]
    assert {result.status for result in results} == {"skipped"}
    assert not any(result.samples for result in results)
    assert "this machine has no CUDA device" in (folder / "report" / "report.html").read_text()
