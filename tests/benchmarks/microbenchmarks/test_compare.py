"""Comparing files that pytest-benchmark really wrote, its timer being a made-up clock."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from project import ROOT

BENCH = """
import os, random
import pytest

SCALE, ROUNDS = float(os.environ["SCALE"]), int(os.environ["ROUNDS"])
TIME, NOISE = [0.0], random.Random(0)

@pytest.mark.parametrize("case", ["dense", "a=b"])
@pytest.mark.benchmark(timer=lambda: TIME[0])
def test_step(benchmark, case):
    def step():
        TIME[0] += (SCALE if case == "dense" else 1) * NOISE.uniform(1.0, 1.02)
    benchmark.pedantic(step, rounds=ROUNDS)
"""
DENSE, OTHER = "bench_made_up.py::test_step[dense]", "bench_made_up.py::test_step[a=b]"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Writes a file with the benchmark of `dense` so many times as slow; returns its path."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "bench_made_up.py").write_text(BENCH)
    (folder / "pytest.ini").write_text("[pytest]\n")

    def measure(scale, rounds=20):
        out = folder / f"{scale}-{rounds}.json"
        command = [sys.executable, "-m", "pytest", "-q", "bench_made_up.py", "--benchmark-only"]
        environment = {"SCALE": str(scale), "ROUNDS": str(rounds), "PATH": "/usr/bin:/bin"}
        command += [f"--benchmark-json={out}"]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        return out

    return measure


def compare(*arguments):
    command = [sys.executable, "-m", "benchmarks.microbenchmarks.compare", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_limit_that_is_exceeded_ends_with_one(measured):
    done = compare(measured(1.0), measured(1.15))
    assert done.returncode == 1, done.stderr
    lines = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    assert set(lines) == {DENSE, OTHER}
    assert lines[DENSE].endswith("slower")
    assert " 1.1" in lines[DENSE]
    assert lines[OTHER].endswith("same")


@pytest.mark.parametrize(
    "limits", [["--default-limit", "0.2"], ["--limit", f"{DENSE}=0.2"], ["--paired"]]
)
def test_limits_hold_by_name_and_in_general(measured, limits):
    done = compare(measured(1.0), measured(1.15 if "--paired" not in limits else 1.04), *limits)
    assert done.returncode == 0, done.stdout + done.stderr


def test_paired_rounds_see_what_is_lost_in_noise(measured, tmp_path):
    old = json.loads(measured(1.0).read_text())
    new = json.loads(measured(1.0).read_text())
    for number, row in enumerate(old["benchmarks"] + new["benchmarks"]):
        drift = [0.5, 1.0, 4.0, 2.0] * 5
        row["stats"]["data"] = [(1.1 if number >= 2 else 1) * x for x in drift]
    for name, data in (("old", old), ("new", new)):
        (tmp_path / f"{name}.json").write_text(json.dumps(data))
    files = (tmp_path / "old.json", tmp_path / "new.json")
    assert compare(*files).returncode == 0
    assert compare(*files, "--paired").returncode == 1


def test_bad_input_is_one_line_and_two(measured, tmp_path):
    old = measured(1.0)
    data = json.loads(old.read_text())
    (tmp_path / "text.json").write_text("words")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "none.json").write_text(json.dumps(data | {"benchmarks": []}))
    other = data | {"machine_info": data["machine_info"] | {"accelerators": ["another"]}}
    (tmp_path / "other.json").write_text(json.dumps(other))
    for row in data["benchmarks"]:
        row["stats"].pop("data")
    (tmp_path / "bare.json").write_text(json.dumps(data))
    cases = {
        ("text.json",): "no file of pytest-benchmark",
        ("list.json",): "no file of pytest-benchmark",
        ("absent.json",): "no file of pytest-benchmark",
        ("none.json",): "none in common",
        ("other.json",): "machine: ",
        ("bare.json",): "--benchmark-json",
    }
    for (name,), words in cases.items():
        done = compare(old, tmp_path / name)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), name
        assert words in done.stderr
    for options, words in [
        (["--limit", "absent=0.1"], "absent"),
        (["--default-limit", "-1"], "default-limit"),
    ]:
        done = compare(old, old, *options)
        assert done.returncode == 2
        assert words in done.stderr
    done = compare(old, measured(1.0, rounds=25), "--paired")
    assert done.returncode == 2
    assert "cannot be paired" in done.stderr


def test_benchmarks_of_the_engine_run():
    command = [sys.executable, "-m", "pytest", "benchmarks/microbenchmarks/bench_engine.py"]
    done = subprocess.run(
        [*command, "--benchmark-disable"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "......" in done.stdout
