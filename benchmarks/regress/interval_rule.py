"""When is the head slower than the base: the interval rule, and limits by name. No torch.

A pairing is two processes, one of each side, whose rounds alternate. Processes of the same code
differ for as long as they live (where memory lies, what shares a cache line), so rounds alone
understate the error: pairings are drawn first, then rounds within them (hierarchical bootstrap of
the ratio of medians). The noise of rounds enters twice so, which makes up for few pairings: tests
draw made-up processes and hold both rates, of false alarms and of slowdowns caught.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

TAIL = 0.05
"""Probability that is left out on each side, so that 'slower' is a one-sided statement at 95 %."""
RESAMPLES = 2000
LEAST_ROUNDS = 5
Verdict = Literal["faster", "same", "undecided", "slower"]
ProcessPair = tuple[Sequence[float], Sequence[float]]
"""Seconds of the base and of the head, by round."""


class Ratio(NamedTuple):
    """Time of the head over that of the base, with its interval."""

    value: float
    low: float
    high: float

    def verdict(self, limit: float) -> Verdict:
        """'slower' where the whole interval lies above 1 + limit: that alone fails a gate."""
        if self.low > 1 + limit:
            return "slower"
        if self.high > 1 + limit:
            return "undecided"
        return "faster" if self.high < 1 else "same"

    def is_narrow(self, limit: float) -> bool:
        """Whether the interval spans less than the limit on either side."""
        return self.high / self.low <= (1 + limit) ** 2


def ratio(pairings: Sequence[ProcessPair], *, paired: bool = True, seed: int = 0) -> Ratio:
    """Geometric mean over pairings of each one's ratio of medians.

    `paired`: round i of both sides ran side by side, so both are drawn together. Raises ValueError
    for fewer than 5 rounds on a side, and for paired sides of different lengths.
    """
    rng = np.random.default_rng(seed)
    logs_KR = np.stack([_drawn(pairing, paired, rng) for pairing in pairings])
    value = np.mean([np.log(np.median(head) / np.median(base)) for base, head in pairings])
    shape = (RESAMPLES, len(pairings))
    drawn_RK = logs_KR[rng.integers(len(pairings), size=shape), rng.integers(RESAMPLES, size=shape)]
    low, high = np.quantile(drawn_RK.mean(axis=1), [TAIL, 1 - TAIL])
    return Ratio(*(math.exp(log) for log in (value, low, high)))


def _drawn(pairing: ProcessPair, paired: bool, rng: np.random.Generator) -> np.ndarray:
    """[RESAMPLES] logarithms of the ratio of medians, rounds drawn anew."""
    base, head = (np.asarray(side, float) for side in pairing)
    if min(len(base), len(head)) < LEAST_ROUNDS:
        found = f"{len(base)} and {len(head)}"
        raise ValueError(f"rounds: {found} are too few for an interval; use {LEAST_ROUNDS} or more")
    if paired and len(base) != len(head):
        raise ValueError(f"rounds: {len(base)} and {len(head)} cannot be paired; leave out paired")
    of_base = rng.integers(len(base), size=(RESAMPLES, len(base)))
    of_head = of_base if paired else rng.integers(len(head), size=(RESAMPLES, len(head)))
    return np.log(np.median(head[of_head], axis=1) / np.median(base[of_base], axis=1))


class Limits:
    """How much slower a benchmark may become, as a share."""

    def __init__(self, default: float, named: Iterable[str] = ()) -> None:
        """`named`: NAME=SHARE texts. Raises ValueError for one that is none."""
        self.default, self.named = _share("default-limit", default), dict(map(_named, named))

    def of(self, name: str) -> float:
        return self.named.get(name, self.default)

    def check(self, known: Iterable[str]) -> None:
        """Raises ValueError for a limit of a benchmark that is not there."""
        names = sorted(known)
        for name in self.named:
            if name not in names:
                raise ValueError(f"limit: {name!r} is no benchmark; use one of {', '.join(names)}")


def _named(text: str) -> tuple[str, float]:
    name, _, share = text.rpartition("=")
    if not name:
        raise ValueError(f"limit: {text!r} has no name; write NAME=0.1")
    return name, _share("limit", share)


def _share(field: str, text: float | str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share < math.inf:
        raise ValueError(f"{field}: {text!r} is no share; write 0.1 for 10 %")
    return share
