"""How alike the inputs of layers are."""

from __future__ import annotations

from reports import figures
from reports.estimates import Estimates
from reports.load import Results
from reports.section import Drawing, Section


def section(results: Results, estimates: Estimates) -> Section:
    drawing = Drawing(
        "similarity",
        "Similarity of layer inputs, and block influence of each layer",
        "Above: mean cosine between the inputs of layers, on calibration text; bright blocks are "
        "runs of layers that see nearly the same input. Below: block influence, 1 − cosine of a "
        "layer’s input and output (log scale); small values mark layers that change little.",
        lambda: figures.similarity(results),
        otherwise="Not measured in this run.",
    )
    return Section("similarity", "How alike layers are", [drawing])
