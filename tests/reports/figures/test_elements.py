"""Legends that fit into their figure, and error bars."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from benchmarks.results.statistics import NO_ESTIMATE, Estimate
from reports.figures.elements import entry, error_bars, fitting_columns
from reports.figures.style import lay_out, paper


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["Dense", "CQIL p=2, bypass none", "CQIL p=2, bypass ffn"], 3),
        (["CQIL p=4, bypass ffn+residual d=2"] * 9, 2),
        (["A method whose name alone takes most of the width of a column"] * 4, 1),
    ],
)
def test_a_legend_has_as_many_columns_as_fit(labels, expected):
    with paper():
        figure = Figure()
        figure.subplots()
        entries = [entry(label, marker="o", linestyle="none") for label in labels]
        columns = fitting_columns(entries, figure.get_figwidth())
        style = {"handletextpad": 0.3, "columnspacing": 1.2}
        legend = figure.legend(handles=entries, loc="outside lower center", ncols=columns, **style)
        lay_out(figure)
    assert columns == expected
    extent = legend.get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= figure.bbox.x1


def test_a_laid_out_figure_is_not_laid_out_again():
    with paper():
        figure = Figure()
        axes = figure.subplots()
        lay_out(figure)
    assert figure.get_layout_engine() is None
    position = axes.get_position().bounds
    with paper(keep_layout=True):
        figure.draw_without_rendering()
    assert axes.get_position().bounds == position


def test_error_bars_are_distances_to_the_bounds():
    bars = error_bars([Estimate(2.0, 1.5, 4.0), NO_ESTIMATE])
    assert bars[:, 0].tolist() == [0.5, 2.0]
    assert np.isnan(bars[:, 1]).all()
    assert error_bars([]).shape == (2, 0)
