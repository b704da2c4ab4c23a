"""How similar the inputs of layers are, and how much each layer changes."""

from __future__ import annotations

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures.layer_similarity import similarity_figure
from reports.page.section import Drawing, PageSection


def section(results: Results, estimates: Estimates) -> PageSection:
    """The figure of both."""
    drawing = Drawing(
        "similarity",
        "Similarity of layer inputs, and block influence of each layer",
        "Above: mean cosine between the inputs of layers, on calibration text; in a bright block "
        "the layers have nearly the same input. Below: block influence, 1 − cosine of a layer’s "
        "input and output (log scale); a layer with a small value changes little.",
        lambda: similarity_figure(results),
        otherwise="Not measured in this run.",
    )
    return PageSection("similarity", "Similarity of layers", [drawing])
