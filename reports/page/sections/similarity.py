"""How alike the inputs of layers are."""

from __future__ import annotations

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures.layer_similarity import similarity_figure
from reports.page.section import Drawing, PageSection


def section(results: Results, estimates: Estimates) -> PageSection:
    drawing = Drawing(
        "similarity",
        "Similarity of layer inputs, and block influence of each layer",
        "Above: mean cosine between the inputs of layers, on calibration text; bright blocks are "
        "runs of layers that see nearly the same input. Below: block influence, 1 − cosine of a "
        "layer’s input and output (log scale); small values mark layers that change little.",
        lambda: similarity_figure(results),
        otherwise="Not measured in this run.",
    )
    return PageSection("similarity", "How alike layers are", [drawing])
