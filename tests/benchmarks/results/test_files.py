"""Files are complete or absent; JSON comes back as written, compressed or not."""

import gzip
import json
import math

import pytest

from benchmarks.results import files
from benchmarks.results.files import read_json, write_json

DATA = {"name": "größer", "times": [0.125, 1e-9, 1e300], "none": None}


def test_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    files.write_atomically(path, "old")

    def interrupt(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_that_cannot_be_encoded_leaves_no_file(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        files.write_atomically(tmp_path / "result.json", "\ud800")
    assert not list(tmp_path.iterdir())


def test_digest_of_files_depends_on_names_and_contents_alone(tmp_path):
    one, two = tmp_path / "a", tmp_path / "b"
    one.write_text("1")
    two.write_text("2")
    digest = files.sha256_files([one, two])
    assert files.sha256_files([two, one]) == digest
    two.write_text("3")
    changed = files.sha256_files([one, two])
    assert changed != digest
    assert files.sha256_files([two.rename(tmp_path / "c"), one]) != changed


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("name", ["data.json", "data.json.gz"])
def test_json_comes_back_as_written(tmp_path, name, compact):
    path = tmp_path / "new" / name
    write_json(path, DATA, compact=compact)
    assert read_json(path) == DATA
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["data.json", "data.json.gz"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_neither_written_nor_read(tmp_path, name, value):
    path = tmp_path / name
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"nll": [value]})
    assert not list(tmp_path.iterdir())
    text = json.dumps({"nll": [value]}).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    with pytest.raises(ValueError, match=r"\A[^\n]*holds -?\w+, which is no number; [^\n]*\Z"):
        read_json(path)


def test_plain_json_has_one_space_of_indent_unless_it_is_compact(tmp_path):
    path = tmp_path / "data.json"
    write_json(path, {"a": [1]})
    assert path.read_text() == '{\n "a": [\n  1\n ]\n}\n'
    write_json(path, {"a": [1]}, compact=True)
    assert path.read_text() == '{"a":[1]}\n'


def test_equal_data_are_compressed_to_equal_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1e9)
    write_json(tmp_path / "one.json.gz", DATA)
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_json(tmp_path / "two.json.gz", DATA)
    compressed = (tmp_path / "one.json.gz").read_bytes()
    assert compressed == (tmp_path / "two.json.gz").read_bytes()
    assert gzip.decompress(compressed) == (json.dumps(DATA, indent=1) + "\n").encode()


def test_interrupted_compressed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "data.json.gz"
    write_json(path, DATA)

    def interrupt(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_json(path, {"other": 1})
    assert read_json(path) == DATA
    assert list(tmp_path.iterdir()) == [path]
