"""Record files of another kind or schema version: one line names the field and the remedy."""

import json
from pathlib import Path

import pytest
from project import ROOT
from pydantic import ValidationError

from benchmarks.results.engine_bench_record import read_bench
from benchmarks.results.files import read_json, write_json
from benchmarks.results.probe_record import read_probe
from benchmarks.results.read_record import explain_record_error
from benchmarks.results.result_schema import read_result

HISTORY = ROOT / "benchmarks" / "history" / "2026-11-21-epyc-2-cores"
READERS = {"bench": (read_bench, "engine.json"), "probe": (read_probe, "probe.json")}
OLD_VERSION = "schema_version: 1, but this code reads version 2"


@pytest.mark.parametrize("what", READERS)
def test_records_of_the_history_are_read(what):
    read, name = READERS[what]
    assert read(HISTORY / name).model_dump(mode="json") == read_json(HISTORY / name)


@pytest.mark.parametrize("what", READERS)
def test_a_record_of_schema_1_names_the_version_and_the_remedy(tmp_path, what):
    read, name = READERS[what]
    path = tmp_path / name
    write_json(path, read_json(HISTORY / name) | {"schema_version": 1, "arms": []})
    with pytest.raises(ValueError, match="schema_version") as error:
        read(path)
    assert str(error.value) == f"{path}: holds no {what} ({OLD_VERSION}); run make {what} again"


@pytest.mark.parametrize("what", READERS)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{}", "provenance: Field required"),
        ("[]", "Input should be a valid dictionary"),
        ("{", "Expecting property name"),
        (None, r"\[Errno 2\] No such file"),
    ],
)
def test_files_that_hold_no_record_are_one_line(tmp_path, what, content, reason):
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content)
    reason = reason.replace("provenance", "model") if what == "bench" else reason
    with pytest.raises(
        ValueError,
        match=rf"\A[^\n]*: holds no {what} \({reason}[^\n]*\); run make {what} again\Z",
    ):
        READERS[what][0](path)


def fault_of(path: Path, data: dict) -> str:
    path.write_text(json.dumps(data))
    with pytest.raises(ValidationError) as error:
        read_result(path)
    return explain_record_error(error.value)


def test_a_result_of_schema_1_names_the_version_even_where_its_kind_is_gone(tmp_path):
    path = tmp_path / "dense.json"
    assert fault_of(path, {"schema_version": 1, "kind": "latency"}) == OLD_VERSION
    assert fault_of(path, {"schema_version": 1, "kind": "choices"}) == OLD_VERSION


def test_other_faults_name_the_field(tmp_path):
    path = tmp_path / "dense.json"
    assert fault_of(path, {"schema_version": 2, "kind": "latency"}).startswith("latency.status: ")
    assert "'choices'" in fault_of(path, {"schema_version": 2, "kind": "choices"})
