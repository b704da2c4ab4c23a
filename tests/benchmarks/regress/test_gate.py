"""The gate over real revisions of a small repository: what it finds, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from project import ROOT

import cqil.engine
from benchmarks.regress import counting_worker, revisions
from benchmarks.regress.gate_experiment import read_experiment, summary
from benchmarks.regress.gate_record import GateResult

STAGE_RUNNER = "cqil/engine/layers/stage_runner.py"
LM_HEAD = "cqil/engine/layers/embedding_and_lm_head.py"
COMMUNICATOR = "cqil/engine/parallel/communicator.py"
ADDED = [
    (STAGE_RUNNER, "F.rms_norm(x_BTH,", "F.rms_norm(x_BTH + torch.zeros_like(x_BTH),"),
    (STAGE_RUNNER, "F.rms_norm(h_JNH,", "F.rms_norm(h_JNH + torch.zeros_like(h_JNH),"),
    (LM_HEAD, "F.rms_norm(x_BH,", "F.rms_norm(x_BH + torch.zeros_like(x_BH),"),
    # It bypasses the ledger, and is seen all the same.
    (
        COMMUNICATOR,
        "        return dist.all_reduce(tensor, group=_group(ranks), async_op=async_op)\n",
        "        dist.all_reduce(torch.zeros(1), group=_group(ranks))\n"
        "        return dist.all_reduce(tensor, group=_group(ranks), async_op=async_op)\n",
    ),
]


class Repository:
    def __init__(self, folder):
        self.folder = folder
        for package in ("cqil", "benchmarks"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, folder / package, ignore=ignored)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("first")

    def git(self, *arguments):
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "gc.auto=0"]
        command = ["git", *who, *arguments]
        done = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, message):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def regress(self, *arguments):
        return subprocess.run(
            [sys.executable, "-m", "benchmarks.regress", *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder), "COLUMNS": "120"},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "repository").mkdir()
    return Repository(tmp_path / "repository")


def test_an_added_operator_and_an_added_collective_fail(repository, tmp_path):
    for name, before, after in ADDED:
        path = repository.folder / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))
    arguments = ("--base", "HEAD", "--no-times", "--out", str(tmp_path / "gate.json"))
    done = repository.regress("gate", *arguments, "--accept", "uls*")
    assert done.returncode == 1, done.stderr
    assert "regression: " in done.stdout
    text = (tmp_path / "gate.json").read_text()
    assert (text.count("\n"), text.count(" ,"), text.count('": ')) == (1, 0, 0)  # compact
    gate = GateResult.model_validate(json.loads(text))
    assert gate.schema_version == 2
    grown = {c.name: c.head - c.base for c in gate.counts if c.head != c.base}
    # Two norms a stage, and the last one; each gets two operators more.
    assert grown["dense/decode/ops"] == 2 * 17
    assert grown["cqil-p4/prefill/ops"] == 2 * 5
    # As many collectives more as sums are counted, each of one number.
    counts = {c.name: c for c in gate.counts}
    sums = (
        counts["dense-tensor-parallel-rank-0/decode/collectives"].base - 1
    )  # one gathers the head
    assert grown["dense-tensor-parallel-rank-0/decode/collectives"] == sums == 16
    assert grown["dense-tensor-parallel-rank-0/decode/message_bytes"] == 4 * sums
    assert not any(name.endswith(("/flops", "/bytes_read", "/mlps")) for name in grown)
    assert set(gate.failures) == {name for name in grown if not name.startswith("uls")}


def test_equal_trees_pass_and_old_code_is_what_is_measured(repository, tmp_path):
    """A limit that no machine exceeds: this asserts that both sides ran, not how fast."""
    arguments = ("--base", "HEAD", "--no-counts", "--out", str(tmp_path / "gate.json"))
    effort = ("--pairs", "2", "--max-pairs", "2", "--rounds", "5", "--default-limit", "1e6")
    done = repository.regress("gate", *arguments, *effort)
    assert done.returncode == 0, done.stderr
    gate = GateResult.model_validate(json.loads((tmp_path / "gate.json").read_text()))
    assert {time.name for time in gate.times} == {
        f"{case}/{phase}"
        for case in ("dense", "cqil-p2", "cqil-p4")
        for phase in ("prefill", "decode")
    }
    for time in gate.times:
        assert [len(rounds) for rounds in time.base + time.head] == [5] * 4
        assert min(map(min, time.base + time.head)) > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gate", "--base", "nowhere"], ["'nowhere'", "BASE="]),
        (["gate", "--base=--help"], ["'--help'"]),
        (["gate", "--limit", "0.1"], ["NAME=0.1"]),
        (["gate", "--device", "tpu"], ["cpu or cuda"]),
        (["gate", "--pairs", "4", "--max-pairs", "3"], ["max-pairs: 3"]),
        (["experiment", "--out", "cqil/__init__.py"], ["cqil/__init__.py", "no experiment"]),
    ],
)
def test_bad_input_is_one_line(repository, arguments, words):
    done = repository.regress(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert all(word in done.stderr for word in words)


def test_a_tree_that_cannot_be_measured_says_why(repository):
    base = repository.git("rev-parse", "HEAD")
    (repository.folder / "cqil/engine/engine.py").write_text("raise KeyError('broken')\n")
    done = repository.regress("gate", "--base", base, "--no-times")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [done.stderr.strip()]
    assert "KeyError: 'broken'" in done.stderr


def test_the_default_base_is_where_the_branch_began(repository, monkeypatch):
    monkeypatch.setattr(revisions, "ROOT", repository.folder)
    first, second = repository.git("rev-parse", "HEAD"), repository.commit("second")
    assert revisions.default_base() == first  # clean, on main
    (repository.folder / "cqil/__init__.py").write_text("__version__ = '0'\n")
    assert revisions.default_base() == second  # the work is not committed yet
    repository.git("switch", "--quiet", "--create", "topic")
    repository.commit("third")
    assert revisions.default_base() == second
    with revisions.unpacked(first) as tree:
        assert (tree / "cqil/__init__.py").read_text() == (ROOT / "cqil/__init__.py").read_text()
    assert not tree.exists()
    assert repository.git("status", "--porcelain") == ""


def test_outside_of_a_checkout_there_is_no_base(tmp_path, monkeypatch):
    monkeypatch.setattr(revisions, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="no git checkout"):
        revisions.default_base()


def test_the_committed_experiment_is_read():
    path = ROOT / "benchmarks/history/2026-11-21-epyc-2-cores/gate.json.gz"
    text = summary(read_experiment(path))
    assert text.startswith("false alarms 0/40 (95 % CI 0.0% to 8.8%), caught 38/40 ")


class OldLayout:
    """A layout of a tree from before EngineOptions."""

    def __init__(self, *, lanes, shards):
        self.sizes = lanes, shards


@pytest.mark.parametrize(
    ("parallel", "sizes"),
    [
        (None, (1, 1)),
        (counting_worker.GROUP_PARALLEL, (2, 1)),
        (counting_worker.TENSOR_PARALLEL, (1, 2)),
    ],
)
def test_old_trees_are_counted_by_their_own_names(monkeypatch, parallel, sizes):
    new = counting_worker._layout_options(parallel)["options"].layout
    assert (new.group_parallel_size, new.tensor_parallel_size) == sizes
    monkeypatch.setitem(sys.modules, "cqil.engine.options", None)
    monkeypatch.setattr(counting_worker, "Layout", OldLayout)
    assert counting_worker._layout_options(parallel)["layout"].sizes == sizes


def test_stages_and_workers_of_old_trees_are_found(monkeypatch):
    stage = SimpleNamespace(attentions=(0, 1), mlps=(0,))
    for runner in (SimpleNamespace(stage=stage), SimpleNamespace(task=stage)):
        assert counting_worker._executed([runner]) == {"attentions": 2, "mlps": 1}
    assert counting_worker._if_known(lambda: stage.absent) == {}
    monkeypatch.setattr(cqil.engine, "_MODULES", {})
    monkeypatch.setattr(cqil.engine, "Gang", lambda ranks: f"{ranks} ranks", raising=False)
    monkeypatch.delattr(cqil.engine, "WorkerGroup", raising=False)
    assert counting_worker._two_workers() == "2 ranks"
