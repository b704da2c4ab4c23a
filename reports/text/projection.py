"""What the break-even map shows, in sentences that are checked on its numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.cost_model.break_even import FULL_DEPTH_METHODS
from benchmarks.cost_model.fastest_methods import (
    ALPHA_S,
    BATCHES,
    RANKS,
    SIZES,
    Panels,
)
from benchmarks.cost_model.machine import presets
from reports.data.number_format import times, with_interval

GROUPING = [FULL_DEPTH_METHODS.index(name) for name in ("CQIL", "CQIL × TP")]
PAIRS_IN_TP = FULL_DEPTH_METHODS.index("LP")
LINK = "h100-nvlink"
"""Preset whose messages count as fast ones."""


def projection_sentences(panels: Panels, pairs: pd.DataFrame) -> Iterator[str]:
    """Where grouping wins, where pairs inside tensor parallelism do, and what removal costs here.

    `panels` of `fastest_panels`, `pairs` of `removal_pairs`.
    """
    scope = (
        f"for {_listed(RANKS)} devices, batches of {_listed(BATCHES)} and every size from "
        f"{SIZES[0]} to {SIZES[-1]}"
    )
    grouping = [np.isin(panel.method, GROUPING) for panel in panels.values()]
    removal_too = [panel.removal_wins for panel in panels.values()]
    won = sum(int(wins.sum()) for wins in grouping)
    beaten = sum(
        int((wins & removal).sum()) for wins, removal in zip(grouping, removal_too, strict=True)
    )
    share = "everywhere" if beaten == won else f"in {100 * beaten / max(won, 1):.0f} % of the area"
    yield (
        f"Projected {scope}: where CQIL is the fastest way that keeps all layers, removing "
        f"layers to the same depth on one device is faster still {share}. What that costs in "
        f"quality was measured here: {_cost(pairs)}."
    )
    yield f"Projected over {presets()[LINK].title}: {_pairs_over_fast_links(panels)}."


def _pairs_over_fast_links(panels: Panels) -> str:
    """From which size on pairs inside tensor parallelism are the fastest, panel by panel."""
    phrases = []
    for (ranks, batch), panel in panels.items():
        alpha_s = 1e-6 * presets()[LINK].all_reduce[ranks].alpha_us
        column = int(np.abs(np.log(ALPHA_S / alpha_s)).argmin())
        wins = panel.method[:, column] == PAIRS_IN_TP
        first = next((row for row in range(len(SIZES)) if wins[row:].all()), None)
        where = "for no size" if first is None else f"from {SIZES[first]} up"
        phrases.append(f"{ranks} devices, batch {batch}: {where}")
    listed = "; ".join(phrases)
    return f"pairs inside tensor parallelism are the fastest that keep all layers ({listed})"


def _cost(pairs: pd.DataFrame) -> str:
    best = pairs[pairs["is_best"]]
    if best.empty:
        return "nothing, since no removal was scored at the depth of a grouped plan"
    phrases = (
        f"perplexity {with_interval(row['ratio'], times)} of that of groups at depth "
        f"{row['depth']:g} ({row['removal']} / {row['grouped']})"
        for row in best.to_dict("records")
    )
    return "; ".join(phrases)


def _listed(numbers: tuple[int, ...]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
