"""The break-even map: the fastest method on p devices, by message latency and model size.

A projection of the cost model. The colour is the fastest method of those that keep every layer.
Beyond the dashed line CQIL is faster than tensor parallelism, the only method that changes no
output. Beyond the solid line, removing layers down to CQIL's depth on one device is faster than all
of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks.cost_model.break_even import FULL_DEPTH_METHODS
from benchmarks.cost_model.fastest_methods import (
    ALPHA_S,
    BATCHES,
    RANKS,
    SIZES,
    FastestMethods,
    Panels,
    fastest_panels,
)
from benchmarks.cost_model.machine import Machine, presets
from reports.figures.elements import entry
from reports.figures.style import INK

METHOD_COLOURS = {"TP": "#999999", "LP": "#CC79A7", "CQIL": "#0072B2", "CQIL × TP": "#56B4E9"}
ALPHA = 0.75
"""Opacity of the areas, and of their entries in the legend."""
MEASURED_COLOUR = "#D55E00"
PRESET_LABELS = {
    "h100-nvlink-oneshot": "one-shot",
    "h100-nvlink": "NVLink",
    "a100-pcie": "PCIe",
    "ethernet-25g": "Ethernet",
}
"""Presets on the axis -> their short names."""


def break_even_map(
    machine: Machine, measured: Sequence[Machine] = (), panels: Panels | None = None
) -> Figure:
    """A panel for each number of devices and batch; `measured` machines are marked on the axis.

    `panels` of `fastest_panels`, where they are known.
    """
    panels = panels or fastest_panels(machine)
    figure = Figure(figsize=(7.2, 5.0))
    grid = figure.subplots(len(BATCHES), len(RANKS), sharex=True, sharey=True)
    for row, batch in zip(grid, BATCHES, strict=True):
        for axes, ranks in zip(row, RANKS, strict=True):
            _draw_panel(axes, panels[ranks, batch])
            axes.set_title(f"{ranks} devices, batch {batch}", fontsize=8)
            _mark_presets(axes, ranks, is_labelled=batch == BATCHES[0])
            _mark_measured(axes, ranks, measured)
    for axes in grid[-1]:
        axes.set_xlabel("Latency of a message [µs]")
    entries = _legend_entries(_won_somewhere(panels), bool(measured))
    figure.legend(handles=entries, loc="outside lower center", ncols=4)
    figure.suptitle(f"Projected (nothing measured), memory of {machine.title}", fontsize=8)
    return figure


def _won_somewhere(panels: Panels) -> list[str]:
    """Methods that have an area in some panel."""
    won = {index for panel in panels.values() for index in np.unique(panel.method)}
    return [name for index, name in enumerate(FULL_DEPTH_METHODS) if index in won]


def _draw_panel(axes: Axes, compared: FastestMethods) -> None:
    """The colours, and a line for each size where CQIL and where removal begins to win."""
    rows, micros = np.arange(len(SIZES)), 1e6 * ALPHA_S
    colours = ListedColormap([METHOD_COLOURS[name] for name in FULL_DEPTH_METHODS])
    axes.pcolormesh(
        micros, rows, compared.method, cmap=colours, vmin=-0.5, vmax=colours.N - 0.5, alpha=ALPHA
    )
    # Everything that is projected is hatched.
    axes.patch.set(fill=False, hatch="..", edgecolor=INK, alpha=0.25, zorder=3)
    _draw_border(axes, compared.grouping_wins, "--")
    _draw_border(axes, compared.removal_wins, "-")
    axes.set_xscale("log")
    axes.set_yticks(rows, SIZES, fontsize=6)
    axes.set_ylim(-0.5, len(SIZES) - 0.5)
    axes.set_xlim(micros[0], micros[-1])


def _draw_border(axes: Axes, wins: np.ndarray, linestyle: str) -> None:
    """For each size, a vertical line at the first latency of `wins` [sizes, latencies]."""
    for row, of_size in enumerate(wins):
        if of_size.any():
            micros = 1e6 * ALPHA_S[of_size.argmax()]
            ends = ([micros, micros], [row - 0.5, row + 0.5])
            axes.plot(*ends, color=INK, linestyle=linestyle, linewidth=1.3, zorder=4)


def _mark_presets(axes: Axes, ranks: int, is_labelled: bool) -> None:
    for preset, label in PRESET_LABELS.items():
        micros = presets()[preset].all_reduce[ranks].alpha_us
        axes.axvline(micros, color=INK, linestyle=":", linewidth=0.8)
        if is_labelled:
            at = (micros, len(SIZES) - 0.6)
            axes.annotate(label, at, fontsize=5, rotation=90, ha="right", va="top")


def _mark_measured(axes: Axes, ranks: int, measured: Sequence[Machine]) -> None:
    """Machines that were measured on so many ranks."""
    for machine in measured:
        if ("all_reduce", ranks) in machine.links:
            micros = 1e6 * machine.link("all_reduce", ranks).alpha_s
            axes.axvline(micros, color=MEASURED_COLOUR, linewidth=0.9)
            height = len(SIZES) - 0.6
            axes.plot(micros, height, color=MEASURED_COLOUR, marker="v", clip_on=False)


def _legend_entries(won: Sequence[str], has_measured: bool) -> list[Artist]:
    entries: list[Artist] = [
        Patch(facecolor=METHOD_COLOURS[name], alpha=ALPHA, label=f"fastest: {name}") for name in won
    ]
    projected = Patch(fill=False, hatch="..", edgecolor=INK, alpha=0.25, label="projected")
    entries += [
        projected,
        entry("right of it: CQIL beats TP", color=INK, linestyle="--"),
        entry("right of it: removal beats all", color=INK),
        entry("preset", color=INK, linestyle=":"),
    ]
    if has_measured:
        entries.append(entry("measured", color=MEASURED_COLOUR, marker="v"))
    return entries
