"""When is the head slower than the base: the interval rule, and limits by name. Imports no torch.

A process pair is two processes, one of each side, whose rounds alternate. Processes of the same
code differ for as long as they live (place in memory, shared cache lines), so rounds alone
understate the error. The bootstrap of the ratio of medians is therefore hierarchical: it draws
process pairs, then rounds within them. The noise of rounds enters twice, which makes up for the
small number of process pairs. Tests check both rates, of false alarms and of slowdowns caught, on
made-up processes.
Shape suffixes: P process pairs, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

TAIL = 0.05
"""Probability that is left out on each side, so that 'slower' is a one-sided statement at 95 %."""
RESAMPLES = 2000
MIN_ROUNDS = 5
Verdict = Literal["faster", "same", "undecided", "slower"]
ProcessPair = tuple[Sequence[float], Sequence[float]]
"""Seconds of the base and of the head, by round."""


class Ratio(NamedTuple):
    """Time of the head over time of the base, with its interval."""

    value: float
    low: float
    high: float

    def verdict(self, limit: float) -> Verdict:
        """'slower', which fails a gate, where the whole interval lies above 1 + limit."""
        if self.low > 1 + limit:
            return "slower"
        if self.high > 1 + limit:
            return "undecided"
        return "faster" if self.high < 1 else "same"

    def is_narrow(self, limit: float) -> bool:
        """Whether the interval spans less than the limit on either side."""
        return self.high / self.low <= (1 + limit) ** 2


def ratio(process_pairs: Sequence[ProcessPair], *, paired: bool = True, seed: int = 0) -> Ratio:
    """Geometric mean over process pairs of the ratio of medians.

    `paired`: round i of both sides ran side by side, so both are drawn together. Raises ValueError
    for fewer than 5 rounds on a side, and for paired sides of different lengths.
    """
    rng = np.random.default_rng(seed)
    logs_PR = np.stack([_resampled_log_ratios(pair, paired, rng) for pair in process_pairs])
    value = np.mean([np.log(np.median(head) / np.median(base)) for base, head in process_pairs])
    shape = (RESAMPLES, len(process_pairs))
    drawn_pairs_RP = rng.integers(len(process_pairs), size=shape)
    drawn_rounds_RP = rng.integers(RESAMPLES, size=shape)
    means_R = logs_PR[drawn_pairs_RP, drawn_rounds_RP].mean(axis=1)
    low, high = np.quantile(means_R, [TAIL, 1 - TAIL])
    return Ratio(*(math.exp(log) for log in (value, low, high)))


def _resampled_log_ratios(
    process_pair: ProcessPair, paired: bool, rng: np.random.Generator
) -> np.ndarray:
    """[R]: logarithms of the ratio of medians, with rounds drawn anew for each."""
    base, head = (np.asarray(side, float) for side in process_pair)
    if min(len(base), len(head)) < MIN_ROUNDS:
        rounds = f"{len(base)} and {len(head)}"
        raise ValueError(f"rounds: {rounds} are too few for an interval; use {MIN_ROUNDS} or more")
    if paired and len(base) != len(head):
        raise ValueError(f"rounds: {len(base)} and {len(head)} cannot be paired; leave out paired")
    base_rounds = rng.integers(len(base), size=(RESAMPLES, len(base)))
    head_rounds = base_rounds if paired else rng.integers(len(head), size=(RESAMPLES, len(head)))
    return np.log(np.median(head[head_rounds], axis=1) / np.median(base[base_rounds], axis=1))


class Limits:
    """How much slower each benchmark may become, as a share."""

    def __init__(self, default: float, named: Iterable[str] = ()) -> None:
        """`named`: texts NAME=SHARE. Raises ValueError for a malformed one."""
        self.default = _parse_share("default-limit", default)
        self.named = dict(_parse_limit(text) for text in named)

    def of(self, name: str) -> float:
        """The limit of one benchmark."""
        return self.named.get(name, self.default)

    def check(self, benchmarks: Iterable[str]) -> None:
        """Raises ValueError for a limit whose name is not among the benchmarks."""
        names = sorted(benchmarks)
        for name in self.named:
            if name not in names:
                raise ValueError(f"limit: {name!r} is no benchmark; use one of {', '.join(names)}")


def _parse_limit(text: str) -> tuple[str, float]:
    name, _, share = text.rpartition("=")
    if not name:
        raise ValueError(f"limit: {text!r} has no name; write NAME=0.1")
    return name, _parse_share("limit", share)


def _parse_share(field: str, text: float | str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share < math.inf:
        raise ValueError(f"{field}: {text!r} is no share; write 0.1 for 10 %")
    return share
