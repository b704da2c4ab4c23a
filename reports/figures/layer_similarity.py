"""Cosine of every two states of the residual stream, and block influence of every layer."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.data.results import Results
from reports.figures.style import COLOURS


def similarity_figure(results: Results) -> Figure | None:
    """Above the cosines, below how much each layer changes; None where it was not measured."""
    similarity = results.similarity
    if similarity is None:
        return None
    figure = Figure(figsize=(5.2, 5.6))
    above, below = figure.subplots(2, height_ratios=(3, 1))
    image = above.imshow(similarity.cosine, cmap="cividis", interpolation="nearest")
    above.set(xlabel="Input of layer (the last is the output)", ylabel="Input of layer")
    figure.colorbar(image, ax=above, label="Mean cosine", shrink=0.85)
    influence = similarity.block_influence
    below.bar(range(len(influence)), influence, color=COLOURS["cqil"], width=0.7)
    below.set(xlabel="Layer", ylabel="Block influence", yscale="log")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
