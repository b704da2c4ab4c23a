"""`make bench` on a tiny model: every system is timed, and the tables show what was measured."""

import subprocess
import sys

import pytest

from benchmarks.config.sections import Workload
from benchmarks.engine_bench.engine_bench import run_engine_bench
from benchmarks.results.engine_bench_record import EngineBench
from benchmarks.results.files import read_json, write_json
from benchmarks.runtime.device import Runtime


@pytest.fixture(scope="module")
def measured(manifest):
    workload = Workload(prompt_tokens=4, new_tokens=3, rounds=5)
    runtime = Runtime(device="cpu", dtype="float32", threads=1, seed=0)
    return run_engine_bench(read_json(manifest), workload, runtime)


def test_every_system_has_all_its_samples(measured):
    steps_by_round = [list(map(len, system.samples)) for system in measured.systems]
    assert steps_by_round == [[1 + 3] * 5] * len(measured.systems)
    names = {system.name for system in measured.systems}
    engine_names = {"engine-dense", "cqil-p2", "tp2", "cqil-p2-no-communication"}
    assert {"transformers-generate", *engine_names} <= names
    assert {name: len(s) for name, s in measured.message_seconds.items()} == {
        "cqil-p2": 5,
        "tp2": 5,
    }


def test_messages_are_those_of_the_plan(measured):
    systems = {system.name: system for system in measured.systems}
    state = 16 * 4
    tensor_parallel = systems["tp2"].ranks[0].decode_messages
    assert ("all_reduce", 2, state, 8) in tensor_parallel
    beside = systems["tp2-parallel-attention"].ranks[0].decode_messages
    assert ("all_reduce", 2, state, 4) in beside
    # A ladder hides messages, it does not save any.
    assert systems["tp2-ladder"].ranks[0].decode_messages == tensor_parallel
    assert systems["cqil-p2-no-communication"].ranks[0].decode_messages == []


def test_tables_are_drawn_from_the_file(measured, tmp_path):
    write_json(tmp_path / "bench.json", measured.model_dump())
    assert EngineBench.model_validate_json((tmp_path / "bench.json").read_bytes()) == measured
    command = [
        sys.executable,
        "-m",
        "reports",
        "bench",
        "bench.json",
        "--out",
        "bench.md",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    text = (tmp_path / "bench.md").read_text()
    for word in ("times as fast", "tp2 / cqil-p2", "us a message under load", "peak / held"):
        assert word in text


def test_a_file_that_is_no_bench_is_one_line(tmp_path):
    (tmp_path / "bench.json").write_text("{}")
    command = [
        sys.executable,
        "-m",
        "reports",
        "bench",
        "bench.json",
        "--out",
        "bench.md",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "bench.md").exists()
