"""Variants of a method outside of this project, in a family that reports do not know."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from made_up_results import LAYERS, VARIANTS, MadeUpRun, write_json
from matplotlib.colors import to_rgba
from rendered_page import rendered_page

from benchmarks.results.files import read_json
from cqil.methods.method import Look
from cqil.plan import kept_layers_plan
from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates
from reports.figures.decode_latency import latency_figure
from reports.figures.elements import by_family
from reports.figures.pareto import pareto
from reports.figures.plan_diagram import plan_diagram
from reports.figures.quality_by_depth import accuracy_by_depth, perplexity_by_depth
from reports.figures.quality_by_latency import quality_by_latency
from reports.figures.style import OTHER_COLOUR, variant_style

LOOK = Look("Folded layers", marker="8", fill="top")
DEPTHS = {"folded-5": [0, 1, 2, 4, 5], "folded-4": [0, 2, 3, 5]}


@pytest.fixture
def with_other_family(tmp_path):
    """A results folder with two variants of the method `fold`, of the family `folding`."""
    folded = {
        name: ("removal", "shortgpt", {"depth": len(kept)}, kept_layers_plan(LAYERS, kept))
        for name, kept in DEPTHS.items()
    }
    run = MadeUpRun(VARIANTS | folded, dict.fromkeys(VARIANTS | folded, 3.5))
    folder = run.fill(tmp_path)
    for name in DEPTHS:
        path = folder / "variants" / f"{name}.json"
        other = {"method": "fold", "family": "folding", "look": asdict(LOOK)}
        write_json(path, read_json(path) | other)
    return folder


@pytest.fixture
def results(with_other_family):
    return load_results(with_other_family)


@pytest.fixture
def estimates(results):
    return Estimates(results)


def in_other_colour(lines):
    return [line for line in lines if to_rgba(line.get_color()) == to_rgba(OTHER_COLOUR)]


def legend_labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_method_brings_its_look_and_the_family_gets_the_other_colour(results):
    style = variant_style(results.variants["folded-5"])
    assert (style.label, style.marker, style.fill) == (LOOK.label, LOOK.marker, LOOK.fill)
    assert style.colour == OTHER_COLOUR


def test_unknown_families_come_last(results):
    assert [variant.name for variant in by_family(results.variants.values())][-2:] == list(DEPTHS)


def test_plan_diagram(results):
    figure = plan_diagram(results)
    (axes,) = figure.axes
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels[-2:] == list(DEPTHS)
    colour = to_rgba(OTHER_COLOUR)[:3]
    boxes = [
        path
        for collection in axes.collections
        if len(collection.get_facecolor()) and tuple(collection.get_facecolor()[0][:3]) == colour
        for path in collection.get_paths()
    ]
    assert len(boxes) == sum(map(len, DEPTHS.values()))


@pytest.mark.parametrize("quality", ["perplexity", "accuracy"])
def test_quality_by_depth(results, estimates, quality):
    if quality == "perplexity":
        figure = perplexity_by_depth(results, estimates.perplexities)
    else:
        figure = accuracy_by_depth(results, estimates.accuracies)
    (markers,) = in_other_colour(figure.axes[0].lines)
    assert len(markers.get_xdata()) == len(DEPTHS)
    assert (markers.get_marker(), markers.get_fillstyle()) == (LOOK.marker, LOOK.fill)
    assert legend_labels(figure)[-1] == LOOK.label


def test_decode_latency(results, estimates):
    figure = latency_figure(results, estimates.latencies, estimates.qualities)
    lines = in_other_colour(figure.axes[0].lines)
    # On one device and on two ranks.
    assert [len(line.get_xdata()) for line in lines] == [2, 2]


def test_figures_of_quality_against_time(results, estimates):
    frames = (estimates.perplexities, estimates.accuracies, estimates.latencies)
    assert legend_labels(quality_by_latency(results, *frames))[-1] == LOOK.label
    assert "folding" in legend_labels(pareto(results, estimates.perplexities, estimates.latencies))


def test_the_page_shows_the_family_under_its_own_name(with_other_family):
    page = rendered_page(with_other_family)
    assert '<th scope="row">folded-5</th><td>folding</td>' in page
    # As a rule that was measured at two depths.
    assert '<th scope="row">fold</th><td>folding</td>' in page
