"""Fingerprints follow imports, so that changed code reruns what uses it; records name the code."""

import pytest
from project import ROOT

from benchmarks.results import code_fingerprint, provenance
from benchmarks.results.code_fingerprint import fingerprint
from benchmarks.results.files import sha256_file

SHORTGPT = "baselines.removal.shortgpt"
GROMOV = "baselines.removal.gromov"


@pytest.fixture
def changing(monkeypatch, tmp_path):
    """Tells which fingerprints change when the source of one module changes."""
    real_source = code_fingerprint._source

    def changed_by(module, *entries):
        before = [fingerprint(*entry) for entry in entries]
        altered = tmp_path / "altered.py"
        altered.write_bytes(real_source(module).read_bytes() + b"# one more line\n")
        with monkeypatch.context() as patch:
            patch.setattr(
                code_fingerprint,
                "_source",
                lambda name: altered if name == module else real_source(name),
            )
            after = [fingerprint(*entry) for entry in entries]
        return [old != new for old, new in zip(before, after, strict=True)]

    return changed_by


def test_fingerprint_is_the_same_each_time():
    assert fingerprint("benchmarks.accuracy.perplexity") == fingerprint(
        "benchmarks.accuracy.perplexity"
    )
    assert fingerprint("benchmarks.accuracy.perplexity") != fingerprint(
        "benchmarks.latency.measure_latency"
    )


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("benchmarks.accuracy.perplexity", [True, False]),
        ("benchmarks.latency.measure_latency", [False, True]),
        ("benchmarks.accuracy.phase_aware_scoring", [True, False]),
        ("cqil.modeling.planned_llama", [True, True]),
        ("cqil.plan.layer_plan", [True, True]),
        ("cqil.cli.plan_drawing", [False, False]),
        ("benchmarks.search.calibration", [False, False]),
    ],
)
def test_fingerprint_follows_what_is_imported(changing, module, expected):
    assert (
        changing(module, ["benchmarks.accuracy.perplexity"], ["benchmarks.latency.measure_latency"])
        == expected
    )


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (SHORTGPT, [True, False]),
        (GROMOV, [False, True]),
        ("benchmarks.models.variants", [True, True]),
        ("cqil.methods.method", [True, True]),
        ("baselines.skipping.unified", [False, False]),
    ],
)
def test_a_variant_depends_on_no_other_method(changing, module, expected):
    entries = ["benchmarks.models.variants", SHORTGPT], ["benchmarks.models.variants", GROMOV]
    assert changing(module, *entries) == expected


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("benchmarks.results.result_schema", True),
        ("benchmarks.results.statistics", True),
        ("benchmarks.latency.measure_latency", False),
        ("benchmarks.accuracy.phase_aware_scoring", False),
        ("cqil.modeling.planned_llama", False),
    ],
)
def test_reports_depend_on_records_and_on_no_measurement(changing, module, expected):
    assert changing(module, ["reports.estimates.quality"]) == [expected]


def test_modules_are_read_where_they_stand():
    layer_plan, modeling = map(code_fingerprint._source, ("cqil.plan.layer_plan", "cqil.modeling"))
    assert layer_plan == ROOT / "cqil" / "plan" / "layer_plan.py"
    assert modeling == ROOT / "cqil" / "modeling" / "__init__.py"


def test_record_names_code_machine_and_packages():
    record = provenance.provenance("cpu", "float32", 2, 7)
    assert record.commit == provenance._git("rev-parse", "HEAD")
    assert record.lock_sha256 == sha256_file(ROOT / "requirements.lock")
    assert record.hardware.cpu
    assert record.hardware.cores >= 1
    assert record.hardware.memory_gib > 0
    assert set(record.packages) == set(provenance.PACKAGES)
    assert (record.device, record.dtype, record.threads, record.seed) == ("cpu", "float32", 2, 7)


def test_checkout_is_named_by_its_commit():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    assert len(bytes.fromhex(provenance._git("rev-parse", "HEAD"))) == 20


def test_dirty_tells_whether_files_differ_from_the_commit(monkeypatch):
    answers = {"rev-parse": "0" * 40, "status": " M cqil/plan/layer_plan.py"}
    monkeypatch.setattr(provenance, "_git", lambda command, *rest: answers[command])
    assert provenance.provenance("cpu", "float32", 1, 0).dirty is True
    answers["status"] = ""
    assert provenance.provenance("cpu", "float32", 1, 0).dirty is False


def test_copy_without_git_has_no_commit(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    record = provenance.provenance("cpu", "float32", 1, 0)
    assert (record.commit, record.dirty, record.lock_sha256) == (None, None, None)
