"""The figure of decode times."""

from __future__ import annotations

from made_up_results import LATENCY, MadeUpRun

from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates
from reports.figures.decode_latency import latency_figure
from reports.figures.style import paper


def drawn(folder):
    results = load_results(folder)
    estimates = Estimates(results)
    with paper():
        return latency_figure(results, estimates.latencies, estimates.qualities)


def test_a_variant_without_accuracy_is_marked_and_hollow(folder):
    for name in ("perplexity/pairs.json", "multiple_choice/few/pairs.json"):
        (folder / name).unlink()
    (axes,) = drawn(folder).axes
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert "pairs (no accuracy)" in labels
    assert labels.count("removed") == 1
    row = labels.index("pairs (no accuracy)")
    fills = {
        round(height): line.get_fillstyle()
        for line in axes.lines
        if line.get_marker() in ("o", "s")
        for height in line.get_ydata()
    }
    assert fills[row] == "none"
    assert set(fills.values()) == {"none", "full"}


def test_every_workload_has_a_panel(tmp_path):
    figure = drawn(MadeUpRun(latency=LATENCY | {"batch": [1, 2]}).fill(tmp_path))
    assert [axes.get_title(loc="right") for axes in figure.axes] == ["b1-p8", "b2-p8"]
