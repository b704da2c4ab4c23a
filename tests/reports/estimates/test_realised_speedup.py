"""Requested and realised speed-up, and the depth of variants whose tokens leave early."""

from __future__ import annotations

import math

import pytest
from made_up_results import LAYERS, LOSSES, VARIANTS, MadeUpRun, MadeUpVariant, write_json
from rendered_page import rendered_page

from benchmarks.results.files import read_json
from benchmarks.results.result_schema import write_result
from cqil.plan import dense_plan
from reports.data.load_results import load_results
from reports.estimates.realised_speedup import realised_speedups, requested
from reports.tables.realised_speedup import realised_table

RULE = {"criterion": "softmax-gap", "threshold": 0.9, "min_layers": 1}
OPTIONS = {"criterion": "softmax-gap", "depth": 2}
EARLY = MadeUpVariant("skipping", "early-exit", OPTIONS, dense_plan(LAYERS))
RUN = MadeUpRun(VARIANTS | {"early": EARLY}, LOSSES | {"early": 4.0})


@pytest.fixture
def early(tmp_path):
    """The made-up folder, with a variant whose tokens leave after 2.5 layers, timed ones 1.5."""
    folder = RUN.fill(tmp_path)
    manifest = folder / "variants" / "early.json"
    write_json(manifest, read_json(manifest) | {"early_exit": RULE})
    scored = RUN.perplexity_result("early")
    samples = [s.model_copy(update={"layers": 2 + n % 2}) for n, s in enumerate(scored.samples)]
    rewrite(folder / "perplexity" / "early.json", scored, samples=samples)
    choices = RUN.multiple_choice_result("early")
    rewrite(folder / "multiple_choice" / "few" / "early.json", choices)
    ranks = RUN.latency_result("early", "ranks-2")
    skipped = {"status": "skipped", "reason": "early_exit: one rank", "samples": []}
    rewrite(folder / "latency" / "ranks-2" / "b1-p8" / "early.json", ranks, **skipped)
    timed = RUN.latency_result("early")
    # The prefill is dense's; decode steps take a quarter, a half and three quarters of it.
    samples = [
        [seconds * (1 if step == 0 else step / 4) for step, seconds in enumerate(steps)]
        for steps in timed.samples
    ]
    path = folder / "latency" / "engine" / "b1-p8" / "early.json"
    rewrite(path, timed, samples=samples, layers=1.5)
    return folder


def rewrite(path, result, **changes):
    write_result(path, result.model_copy(update={"early_exit": RULE} | changes))


def test_speedups_are_of_dense_over_the_variant_round_by_round(early):
    rows = realised_speedups(load_results(early)).set_index("variant")
    assert set(rows.index) == {"removed", "skipping", "early"}
    assert rows.loc["skipping", "by_depth"] == 6 / 4
    assert rows.loc["skipping", "decode"].value == pytest.approx(6.15 / 4.15)
    row = rows.loc["early"]
    assert (row["requested"], row["by_depth"]) == (3, 4)
    # Steps of a quarter, a half and three quarters of dense, then a prefill like dense.
    assert row["decode"].value == pytest.approx(3 / 1.5)
    assert row["end_to_end"].value == pytest.approx(4 / 2.5)
    assert row["decode"].low == pytest.approx(row["decode"].high)
    assert rows.loc["skipping", "decode"].low < rows.loc["skipping", "decode"].value


@pytest.mark.parametrize(
    ("options", "ratio"),
    [
        ({"rule": "code", "speedup": 1.5}, 1.5),
        ({"rule": "even", "depth": 4}, 1.5),
        ({"max_depth": 5, "min_depth": 3, "tokens": 9}, 1.5),
        ({"criterion": "saturation", "threshold": 0.9}, math.nan),
    ],
)
def test_what_was_requested_is_read_off_the_options(early, options, ratio):
    variant = load_results(early).variants["skipping"]
    object.__setattr__(variant, "options", options)
    assert requested(variant) == pytest.approx(ratio, nan_ok=True)


def test_table_and_page_say_what_was_reached(early):
    table = realised_table(load_results(early))
    cells = table.shown.set_index("variant").loc["early"]
    assert cells["depth"] == "2.5"
    assert cells["requested"] == "×3.00"
    assert cells["by depth that ran"] == "×4.00"
    assert cells["end to end"].startswith("×1.60 [")
    assert cells["end to end, % of requested"] == "53.3"
    assert "Imaginary CPU" in table.note
    assert "random tokens" in table.note
    page = rendered_page(early)
    assert "Requested and realised speed-up" in page
    assert "×1.60" in page
    assert early / "out" / "realised.csv" in table.write(early / "out")
    assert (early / "out" / "realised.csv").exists()


def test_tokens_that_all_run_the_plan_need_no_word_on_random_text(folder):
    assert "random tokens" not in realised_table(load_results(folder)).note


def test_depth_is_what_tokens_of_the_texts_ran(early):
    results = load_results(early)
    assert results.variants["early"].depth == 2.5
    assert results.variants["skipping"].depth == 4
    assert results.timed_depth("early") == 1.5
    assert results.timed_depth("skipping") == 4
    (early / "latency" / "engine" / "b1-p8" / "early.json").unlink()
    assert load_results(early).timed_depth("early") == 2.5


def test_a_result_of_another_rule_is_refused(early):
    write_result(early / "perplexity" / "early.json", RUN.perplexity_result("early"))
    with pytest.raises(ValueError, match=r"early\.json: measured with another plan"):
        load_results(early)


@pytest.mark.parametrize("gone", ["engine/b1-p8/*", "engine/b1-p8/dense.json"])
def test_nothing_is_drawn_without_times_to_compare(folder, gone):
    for path in (folder / "latency").glob(gone):
        path.unlink()
    assert realised_speedups(load_results(folder)).empty
    assert "Requested and realised" not in rendered_page(folder)
