"""The section on healed variants: its tables, figure and sentences."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_healing import ADAPTER, HEALED, LOSSES, PAIRS, healed_run
from made_up_results import MadeUpRun
from rendered_page import laid_out_page

from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates
from reports.figures.recovery import recovery_curves, segments
from reports.figures.style import paper
from reports.page.page import write_report
from reports.page.sections import recovery
from reports.text.recovery import recovery_finding

MACHINE = "Imaginary CPU; device cpu, 2 of 4 threads, float32"


@pytest.fixture
def results(tmp_path):
    return load_results(healed_run().fill(tmp_path))


def section_of(results):
    return recovery.section(results, Estimates(results))


def shown(results, name):
    (table,) = [table for table in section_of(results).tables if table.name == name]
    return table


def test_there_is_no_section_without_healed_variants(folder):
    assert section_of(load_results(folder)) is None


def test_a_row_says_how_and_at_what_cost(results):
    table = shown(results, "recovery")
    row = table.shown.set_index("variant").loc["p-two"]
    assert row["unhealed"] == "pairs"
    assert row["how"] == "refit, then LoRA"
    assert (row["tokens"], row["minutes"]) == ("196,608", "8.00")
    assert row["closed, %"] == "75.0 [75.0, 75.0]"
    assert row["decode / unhealed"] == "×1.00 [1.00, 1.00]"
    assert "closed elsewhere, %" not in table.shown
    assert f"Healed on: {MACHINE}." in table.note
    assert f"Scored on: {MACHINE}." in table.note
    of_others = table.shown.set_index("variant").loc["p-ada"]
    assert (of_others["tokens"], of_others["minutes"]) == ("–", "–")


def test_a_row_says_what_it_lacks(tmp_path):
    variants = {name: made for name, made in HEALED.items() if name != "gone4"}
    folder = healed_run(variants=variants, losses=LOSSES | {"pairs": 3.0}).fill(tmp_path)
    (folder / "multiple_choice" / "few" / "pairs.json").unlink()
    rows = shown(load_results(folder), "recovery").shown.set_index("variant")
    assert rows.loc["g-ref", "unhealed"] == "not in this run"
    assert rows.loc["g-ref", "perplexity before"] == rows.loc["g-ref", "closed, %"] == "–"
    assert rows.loc["p-ref", "closed, %"] == "no gap"
    assert rows.loc["p-ref", "accuracy before, %"] == "missing"


def test_the_finding_has_shares_costs_and_who_wins(results):
    estimates = Estimates(results)
    ((finding, numbers),) = recovery_finding(
        results, estimates.recoveries, estimates.healed_removal
    )
    assert finding.endswith("80.0 % for CQIL, 62.5 % for Removal.")
    assert "g-lor 62.5 [62.5, 62.5] % on 65,536 tokens in 6.00 minutes" in numbers
    assert "grouping beats removal in 2 of 2 pairs of one depth and loses in 0" in numbers
    assert "without healing it beats it in 2 of 2" in numbers
    assert numbers.endswith(f"Healed on {MACHINE}.")


def test_steps_of_one_variant_follow_one_another(results):
    refit, lora = segments(results.variants["p-two"])
    assert (refit.tokens, refit.minutes) == ([0, 131072], [0, 2])
    assert (lora.tokens, lora.minutes) == ([131072, 163840, 196608], [2, 5, 8])
    assert refit.excess == [0.5, 0.25]
    assert lora.excess[0] == refit.excess[-1]


def test_every_course_is_drawn_in_both_panels(results):
    with paper():
        figure = recovery_curves(results)
    in_tokens, in_minutes = figure.axes
    # Five variants with a course; the second step of one is a line too, a hollow point begins each.
    assert len(in_tokens.lines) == len(in_minutes.lines) == 6 + 5
    ends = sorted(float(np.max(line.get_xdata())) for line in in_minutes.lines)
    assert ends[-1] == 8
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["pairs", "gone4", "refit", "LoRA"]


def test_adapters_of_others_have_no_course(tmp_path):
    variants = {"dense": HEALED["dense"], "pairs": PAIRS, "p-ada": (*PAIRS, [ADAPTER])}
    folder = healed_run(variants=variants).fill(tmp_path)
    assert recovery_curves(load_results(folder)) is None
    page = laid_out_page(folder)
    assert "adapters were trained by others" in page
    assert "Adapter of others brings back" in page


def test_the_page_is_drawn(tmp_path):
    folder = healed_run().fill(tmp_path)
    page = write_report(folder, folder / "out").read_text()
    assert '<section id="recovery">' in page
    assert page.index('id="depth"') < page.index('id="recovery"') < page.index('id="variants"')
    assert 'id="figure-recovery-course"' in page
    assert 'id="table-healed-grouping-or-removal"' in page
    assert 'id="table-ways-to-heal"' in page
    assert "Healed variants are left out." in page


def test_a_run_without_healing_says_how_to_get_it_and_no_more(tmp_path):
    page = laid_out_page(MadeUpRun().fill(tmp_path))
    assert 'id="recovery"' not in page
    assert page.count("healed") == page.count("“make heal” measures healed variants") == 1
