"""The report: its statistics against known answers, and what it refuses, shows and never does."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.record import (
    ChoiceSample,
    ChoicesResult,
    Hardware,
    LatencyResult,
    Model,
    PerplexityResult,
    Provenance,
    StepSample,
    WindowSample,
    write_result,
)
from cqil.plan import LayerPlan, dense_plan, kept_layers_plan, uniform_plan
from reports import comparisons, measures, numbers, scores, summary
from reports.load import load_results
from reports.page import write_report
from reports.statistics import Bootstrap, Estimate

LAYERS = 6
BOOTSTRAP = Bootstrap(confidence=0.95, resamples=1999, seed=0)
MODEL = Model(name="tiny", sha256="ab" * 32, num_layers=LAYERS, note="Made up for a test.")
PLANS: dict[str, tuple[str, str, dict, LayerPlan]] = {
    "dense": ("dense", "dense", {}, dense_plan(LAYERS)),
    "pairs": ("cqil", "uniform", {}, uniform_plan(LAYERS, 2, 6, 2)),
    "pairs-d1": ("cqil", "uniform", {}, uniform_plan(LAYERS, 2, 6, 2, 1)),
    "removed": ("removal", "shortgpt", {}, kept_layers_plan(LAYERS, [0, 1, 2, 5])),
    "skipping": (
        "skipping",
        "unified",
        {"rule": "even"},
        kept_layers_plan(LAYERS, [0, 2, 4, 5], prompt_dense=True),
    ),
}
NLL = {"dense": 3.0, "pairs": 3.5, "pairs-d1": 3.4, "removed": 5.0, "skipping": 13.0}
PROVENANCE = Provenance(
    created="2026-01-01T00:00:00+00:00",
    command="python -m benchmarks",
    commit="c0ffee",
    dirty=False,
    lock_sha256="cd" * 32,
    packages={"torch": "2.0"},
    python="3.12.0",
    system="Linux",
    hardware=Hardware(cpu="Imaginary CPU", cores=4, memory_gib=8, accelerators=[]),
    threads=2,
    device="cpu",
    dtype="float32",
    seed=0,
)


def fields(name):
    _, method, _, plan = PLANS[name]
    return {
        "status": "ok",
        "variant": name,
        "method": method,
        "plan": plan.to_dict(),
        "slug": plan.slug,
        "model": MODEL,
        "provenance": PROVENANCE,
    }


def perplexity_result(name, documents=5):
    rng = np.random.default_rng(len(name))
    samples = [
        WindowSample(
            text=text,
            document=f"{text}{number}",
            tokens=100,
            bytes=400,
            nll=100 * (NLL[name] + number / 10 + rng.normal(0, 0.01)),
        )
        for text in ("one", "two")
        for number in range(documents)
    ]
    return PerplexityResult(**fields(name), workload={}, samples=samples)


def choices_result(name):
    samples = [
        ChoiceSample(
            task=task,
            document=f"{task}{number}",
            acc=float(number % 2),
            acc_norm=None if task.startswith("mmlu") else float(number % 3 == 0),
            loglikelihoods=[-1.0, -2.0],
            one_token=task.startswith("mmlu"),
        )
        for task, documents in (("sciq", 6), ("mmlu_law", 1), ("mmlu_art", 9))
        for number in range(documents)
    ]
    return ChoicesResult(**fields(name), workload={}, task_versions={}, samples=samples)


def latency_result(name):
    workload = {"prompt_tokens": 8, "new_tokens": 3, "batch": 1, "path": "eager"}
    depth = PLANS[name][3].depth
    samples = [
        StepSample(round=r, phase="prefill" if s == 0 else "decode", step=s, seconds=depth + r / 10)
        for r in range(4)
        for s in range(4)
    ]
    return LatencyResult(**fields(name), workload=workload, session="s", samples=samples)


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


@pytest.fixture
def folder(tmp_path):
    """A whole results folder, small and made up."""
    return fill(tmp_path)


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """Its page."""
    folder = fill(tmp_path_factory.mktemp("results"))
    return write_report(folder, folder / "out").read_text()


def fill(tmp_path):
    write(
        tmp_path / "config.json",
        {
            "name": "made-up",
            "seed": 0,
            "variants": {name: {} for name in PLANS},
            "perplexity": {"texts": ["one", "two"], "window": 200, "documents": 5},
            "choices": {"few": {"tasks": {}}},
            "latency": {},
            "report": {"confidence": 0.95, "resamples": 999},
        },
    )
    for name, (family, method, options, plan) in PLANS.items():
        manifest = {
            "variant": name,
            "method": method,
            "family": family,
            "options": options,
            "plan": plan.to_dict(),
            "model": MODEL.model_dump() | {"path": "elsewhere"},
        }
        write(tmp_path / "variants" / f"{name}.json", manifest)
        write_result(tmp_path / "perplexity" / f"{name}.json", perplexity_result(name))
        write_result(tmp_path / "choices" / "few" / f"{name}.json", choices_result(name))
        write_result(tmp_path / "latency" / f"{name}.json", latency_result(name))
    write(
        tmp_path / "similarity.json",
        {"cosine": np.eye(LAYERS + 1).tolist(), "angular_last": np.eye(LAYERS + 1).tolist()},
    )
    grid = [{"start": s, "end": s + 4, "nll": 3.0 + s} for s in (1, 2)]
    write(
        tmp_path / "search" / "P2-G4.json",
        {"group_size": 2, "depth": 4, "grid": grid, "start": 1},
    )
    return tmp_path


# --- statistics


def test_a_variant_against_itself_is_exactly_one_without_width(folder):
    results = load_results(folder)
    assert measures.perplexity_ratio(results, "pairs", "pairs") == Estimate(1.0, 1.0, 1.0)


def test_perplexity_and_ratio_by_hand():
    nll, tokens = [np.array([2.0, 6.0]), np.array([4.0])], [np.array([1.0, 3.0]), np.array([2.0])]
    assert BOOTSTRAP.ratio_of_sums(nll, tokens).value == pytest.approx(12 / 6)


def test_interval_of_the_mean_covers_the_truth_even_for_six_documents():
    rng = np.random.default_rng(3)
    covered = 0
    for trial in range(300):
        bootstrap = Bootstrap(confidence=0.9, resamples=999, seed=trial)
        found = bootstrap.ratio_of_sums([rng.normal(5, 1, 6)], [np.ones(6)])
        covered += found.low <= 5 <= found.high
    # Nominal 0.9; plain percentile intervals reach about 0.80 here.
    assert 0.86 <= covered / 300 <= 0.95


def test_pairing_removes_what_documents_share():
    rng = np.random.default_rng(0)
    shared, tokens = rng.normal(300, 60, 20), np.full(20, 100.0)
    mine, theirs = shared + 5 + rng.normal(0, 1, 20), shared
    paired = BOOTSTRAP.ratio_of_sums([mine - theirs], [tokens])
    alone = BOOTSTRAP.ratio_of_sums([mine], [tokens])
    assert paired.verdict(0) == "higher"
    assert paired.high - paired.low < (alone.high - alone.low) / 10


def test_mean_over_tasks_weighs_tasks_alike():
    tasks = [np.array([1.0, 1.0]), np.zeros(98)]
    assert BOOTSTRAP.mean_of_means(tasks).value == 0.5


def test_ratio_of_medians_is_no_mean_of_ratios():
    above, below = np.array([2.0, 3.0, 100.0]), np.array([1.0, 6.0, 2.0])
    assert BOOTSTRAP.ratio_of_medians(above, below).value == 1.5
    assert np.mean(above / below) != 1.5


def test_rounds_are_drawn_for_both_arms_together():
    slow_rounds = np.array([1.0, 5.0, 2.0, 9.0, 1.5])
    found = BOOTSTRAP.ratio_of_medians(2 * slow_rounds, slow_rounds)
    assert found == Estimate(2.0, 2.0, 2.0)


def test_one_document_has_no_interval():
    found = BOOTSTRAP.ratio_of_sums([np.array([3.0])], [np.array([1.0])])
    assert found.value == 3
    assert not found.has_interval
    assert numbers.with_interval(found) == "3.00 [n/a]"
    assert found.verdict(0) == "not distinguishable"


def test_subjects_of_mmlu_are_one_task_weighted_by_documents(folder):
    accuracies = measures.accuracies(load_results(folder)).set_index(["variant", "task"])
    row = accuracies.loc[("dense", "mmlu")]
    # law: 0 of 1, art: 4 of 9; a mean of subjects would give 0.22.
    assert row["documents"] == 10
    assert row["acc"] == pytest.approx(0.4)
    assert math.isnan(row["acc_norm"])
    assert row["headline"].value == pytest.approx(0.4)


def test_length_normalised_accuracy_is_the_headline_where_there_is_one(folder):
    row = measures.accuracies(load_results(folder)).set_index(["variant", "task"])
    assert row.loc[("dense", "sciq")]["headline"].value == pytest.approx(2 / 6)
    assert row.loc[("dense", "sciq")]["acc"] == pytest.approx(3 / 6)


def test_latency_is_the_median_over_rounds(folder):
    rows = measures.latencies(load_results(folder)).set_index(["variant", "phase"])
    assert rows.loc[("dense", "decode")]["milliseconds"].value == pytest.approx(6150)
    assert rows.loc[("removed", "decode")]["ratio"].value == pytest.approx(4.15 / 6.15)


# --- sentences and numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (18.34, "18.3"),
        (1449.6, "1450"),
        (0.0321, "0.0321"),
        (470000, "4.7e5"),
        (math.inf, "overflow"),
        (math.nan, "n/a"),
    ],
)
def test_numbers_are_short(value, text):
    assert numbers.significant(value) == text


def test_verdict_on_removal_follows_the_intervals(folder):
    comparison = comparisons.removal_at_same_depth(load_results(folder))
    assert comparison["verdict"].tolist() == ["higher"]
    ((answer, _),) = summary.removal_verdicts(comparison)
    assert answer.endswith("depth 4? Yes.")
    ((answer, _),) = summary.removal_verdicts(comparison.assign(verdict="lower"))
    assert answer.endswith("No.")
    ((answer, _),) = summary.removal_verdicts(comparison.assign(verdict="not distinguishable"))
    assert answer.endswith("Not decided by these windows.")


def test_bypass_is_compared_over_the_same_groups(folder):
    comparison = comparisons.bypass_modes(load_results(folder)).set_index("bypass")
    assert comparison.loc["ffn", "without"] == "pairs"
    assert comparison.loc["ffn", "ratio"].value == pytest.approx(math.exp(-0.1), rel=0.02)
    assert comparison.loc["ffn", "verdict"] == "lower"


# --- loading


def test_other_documents_are_refused(folder):
    write_result(folder / "perplexity" / "pairs.json", perplexity_result("pairs", documents=4))
    with pytest.raises(ValueError, match=r"pairs\.json: documents differ from those of dense"):
        load_results(folder)


def test_another_session_is_refused(folder):
    other = latency_result("pairs").model_copy(update={"session": "other"})
    write_result(folder / "latency" / "pairs.json", other)
    with pytest.raises(ValueError, match=r"pairs\.json: session differ"):
        load_results(folder)


def test_a_result_of_another_plan_is_refused(folder):
    stale = perplexity_result("pairs").model_copy(update={"plan": dense_plan(LAYERS).to_dict()})
    write_result(folder / "perplexity" / "pairs.json", stale)
    with pytest.raises(ValueError, match=r"pairs\.json: measured with another plan"):
        load_results(folder)


@pytest.mark.parametrize("gone", ["config.json", "variants/pairs.json"])
def test_a_missing_file_is_one_line(folder, gone):
    (folder / gone).unlink()
    with pytest.raises(ValueError, match=rf"{gone}: not found; .*run") as caught:
        load_results(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_without_results_is_refused(folder):
    for path in [*folder.glob("perplexity/*"), *folder.glob("choices/*/*"), *folder.glob("lat*/*")]:
        path.unlink()
    with pytest.raises(ValueError, match="holds no results"):
        load_results(folder)


# --- the page


def test_a_skipped_result_shows_its_reason_and_no_number(folder):
    skipped = perplexity_result("removed").model_copy(
        update={"status": "skipped", "reason": "no accelerator here", "samples": []}
    )
    write_result(folder / "perplexity" / "removed.json", skipped)
    results = load_results(folder)
    shown = scores.variants_table(
        results, measures.perplexities(results), measures.accuracies(results)
    ).shown.set_index("variant")
    cells = shown.loc["removed", ["perplexity", "× dense", "bits/byte"]]
    assert set(cells) == {"skipped"}
    assert "no accelerator here" in write_report(folder, folder / "out").read_text()


def test_page_stands_alone(html):
    links = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)
    assert not re.search(r"<script|<link|@import|url\((?!#)", html)
    assert html.count("<svg") == 6


def test_page_says_what_must_be_said(html):
    for sentence in (
        MODEL.note,
        "Imaginary CPU; device cpu, 2 of 4 threads, float32",
        "depth only: ideal ×1.50, not yet concurrent",
        "decode only",
        "mmlu cannot show any harm of skipping",
        scores.FIRST_TOKEN,
        "(as published)",
    ):
        assert sentence in html


def test_same_results_give_same_files(folder):
    for out in ("first", "second"):
        write_report(folder, folder / out)
    first = {p.relative_to(folder / "first"): p for p in (folder / "first").rglob("*.*")}
    assert {p.suffix for p in first} == {".html", ".png", ".pdf", ".csv", ".md"}
    for name, path in first.items():
        assert path.read_bytes() == (folder / "second" / name).read_bytes(), name


@pytest.mark.parametrize("kept", ["perplexity", "choices", "latency"])
def test_one_kind_of_result_is_enough(folder, kept):
    for path in [*folder.glob("*/*.json"), *folder.glob("*/*/*.json")]:
        if path.relative_to(folder).parts[0] not in (kept, "variants"):
            path.unlink()
    (folder / "similarity.json").unlink()
    assert "there is no result file" in write_report(folder, folder / "out").read_text()


def test_a_run_without_latency_says_so(folder):
    config = json.loads((folder / "config.json").read_text())
    write(folder / "config.json", config | {"latency": None})
    assert "This run leaves latency out." in write_report(folder, folder / "out").read_text()


def test_reports_do_not_import_torch():
    probe = "import sys, reports.page; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
