"""The break-even map: which way of using p devices is fastest, by latency and size. A projection.

Colour: the fastest of the ways that keep every layer. Beyond the dashed line CQIL is faster than
tensor parallelism, the one way that changes no output; beyond the full line, deleting layers down
to CQIL's depth on one device is faster than all of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchmarks.cost_model.break_even import MAIN, REMOVAL, latency_lines
from benchmarks.cost_model.machine import Machine, presets
from benchmarks.cost_model.model_shapes import SHAPES
from benchmarks.cost_model.step_time import StepWorkload
from reports.figures.style import INK

MACHINE = "h100-nvlink"
"""Whose memory and products the map takes."""
ALPHA_S = np.geomspace(1e-6, 3e-3, 121)
RANKS, BATCHES = (2, 4, 8), (1, 16)
SIZES = (
    "SmolLM2-135M",
    "SmolLM2-360M",
    "Llama-3.2-1B",
    "Llama-3.2-3B",
    "LLaMA-7B",
    "LLaMA-13B",
    "LLaMA-33B",
    "LLaMA-65B",
)
COLOURS = {"TP": "#999999", "LP": "#CC79A7", "CQIL": "#0072B2", "CQIL × TP": "#56B4E9"}
MARKED = {
    "h100-nvlink-oneshot": "one-shot",
    "h100-nvlink": "NVLink",
    "a100-pcie": "PCIe",
    "ethernet-25g": "Ethernet",
}
"""Presets on the axis, and their short names."""


def break_even_map(machine: Machine, measured: Sequence[Machine] = ()) -> Figure:
    """One panel a number of devices and batch."""
    figure = Figure(figsize=(7.2, 5.0))
    panels = figure.subplots(len(BATCHES), len(RANKS), sharex=True, sharey=True)
    for row, batch in zip(panels, BATCHES, strict=True):
        for axes, ranks in zip(row, RANKS, strict=True):
            _panel(axes, ranks, batch, machine)
            _marks(axes, ranks, measured, named=batch == BATCHES[0])
    for axes in panels[-1]:
        axes.set_xlabel("Latency of a message [µs]")
    handles = [Patch(facecolor=COLOURS[name], label=name) for name in MAIN]
    handles.append(Line2D([], [], color=INK, linestyle="--", label="right of it: CQIL beats TP"))
    handles.append(Line2D([], [], color=INK, label="right of it: removal beats all"))
    handles.append(Line2D([], [], color=INK, linestyle=":", label="preset"))
    if measured:
        handles.append(Line2D([], [], color="#D55E00", marker="v", label="measured"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    figure.suptitle(f"Projected (nothing measured), memory of {machine.title}", fontsize=8)
    return figure


class Fastest(NamedTuple):
    """Each [sizes, latencies]."""

    way: np.ndarray
    """Place in MAIN of the fastest."""
    removal: np.ndarray
    """Whether removal is faster still."""
    grouped: np.ndarray
    """Whether CQIL, or CQIL over groups of ranks, is faster than tensor parallelism."""


def fastest(ranks: int, batch: int, machine: Machine) -> Fastest:
    best = np.zeros((len(SIZES), len(ALPHA_S)), dtype=int)
    removal, grouped = np.zeros_like(best, dtype=bool), np.zeros_like(best, dtype=bool)
    for row, name in enumerate(SIZES):
        found = latency_lines(SHAPES[name], ranks, machine, StepWorkload(batch=batch))
        times = np.array(
            [
                found[way].at(ALPHA_S) if way in found else np.full(len(ALPHA_S), np.inf)
                for way in MAIN
            ]
        )
        best[row] = times.argmin(axis=0)
        removal[row] = found[REMOVAL].at(ALPHA_S) < times.min(axis=0)
        grouped[row] = times[2:].min(axis=0) < times[0]
    return Fastest(best, removal, grouped)


def _panel(axes: Axes, ranks: int, batch: int, machine: Machine) -> None:
    found = fastest(ranks, batch, machine)
    rows, micros = np.arange(len(SIZES)), 1e6 * ALPHA_S
    colours = ListedColormap([COLOURS[name] for name in MAIN])
    axes.pcolormesh(
        micros, rows, found.way, cmap=colours, vmin=-0.5, vmax=len(MAIN) - 0.5, alpha=0.75
    )
    # Hatched as everything that is projected is.
    axes.patch.set(fill=False, hatch="..", edgecolor=INK, alpha=0.25, zorder=3)
    for edge, style in ((found.grouped, "--"), (found.removal, "-")):
        for row, beyond in enumerate(edge):
            if beyond.any():
                where = micros[beyond.argmax()]
                line = [[where, where], [row - 0.5, row + 0.5]]
                axes.plot(*line, color=INK, linestyle=style, linewidth=1.3, zorder=4)
    axes.set_xscale("log")
    axes.set_title(f"{ranks} devices, batch {batch}", fontsize=8)
    axes.set_yticks(rows, SIZES, fontsize=6)
    axes.set_ylim(-0.5, len(SIZES) - 0.5)
    axes.set_xlim(micros[0], micros[-1])


def _marks(axes: Axes, ranks: int, measured: Sequence[Machine], named: bool) -> None:
    for preset, label in MARKED.items():
        micros = presets()[preset].all_reduce[ranks].alpha_us
        axes.axvline(micros, color=INK, linestyle=":", linewidth=0.8)
        if named:
            axes.annotate(
                label,
                (micros, len(SIZES) - 0.6),
                fontsize=5,
                rotation=90,
                ha="right",
                va="top",
            )
    for machine in measured:
        if ("all_reduce", ranks) in machine.links:
            micros = 1e6 * machine.link("all_reduce", ranks).alpha_s
            axes.axvline(micros, color="#D55E00", linewidth=0.9)
            axes.plot(micros, len(SIZES) - 0.6, color="#D55E00", marker="v", clip_on=False)
