"""What to choose, by situation: measured rows from this run, projected ones marked as such."""

from __future__ import annotations

import pytest
from made_up_results import LOSSES, MadeUpRun

from reports.answers.choices import choices, speed_front
from reports.answers.projected import projected_choices
from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates


def chosen(folder) -> dict[str, tuple[str, str, str]]:
    """Situation -> the rest of its row."""
    results = load_results(folder)
    return {row[0]: row[1:] for row in choices(results, Estimates(results))}


def test_the_front_is_faster_at_each_step_beyond_noise(folder):
    results = load_results(folder)
    # The removal has the depth of the pairs and loses more; skipping loses far more.
    assert speed_front(results, Estimates(results)) == ["dense", "pairs-d1"]


def test_every_situation_has_a_row_with_its_basis(folder):
    rows = chosen(folder)
    choose, why, basis = rows["One device"]
    assert choose == "dense, or for more speed pairs-d1"
    assert "pairs-d1 ×1.48" in why
    assert basis.startswith("measured: Imaginary CPU")
    assert rows["2 ranks, linked as here"][0] in ("pairs", "pairs-d1")
    assert rows["Perplexity at most 10 % above dense"][0] == "dense"
    assert "the nearest is pairs-d1" in rows["Perplexity at most 10 % above dense"][1]
    assert all("measured" in row[2] or "projected" in row[2] for row in rows.values())


def test_a_variant_within_the_floor_is_chosen(tmp_path):
    rows = chosen(MadeUpRun(losses=LOSSES | {"pairs": 3.01}).fill(tmp_path))
    choose, why, _ = rows["Perplexity at most 10 % above dense"]
    assert choose == "pairs"
    assert "as fast at perplexity ×1.0" in why


def test_without_times_only_the_projection_is_left(tmp_path):
    assert set(chosen(MadeUpRun(latency=None).fill(tmp_path))) == {
        "Two devices, fast links",
        "Two devices, slow links",
    }


@pytest.mark.parametrize("row", projected_choices(), ids=lambda row: row.situation)
def test_projections_say_so(row):
    assert row.basis.startswith("projected: LLaMA-7B on H100")


def test_slow_links_favour_fewer_messages():
    fast, slow = projected_choices()
    assert fast.choose == "pairs inside tensor parallelism"
    order = [slow.why.index(name) for name in ("CQIL in pairs", "pairs inside", ", tensor")]
    assert order == sorted(order)
