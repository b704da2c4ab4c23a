"""Right or wrong, document by document: McNemar's exact test."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest


def mcnemar(first: np.ndarray, second: np.ndarray) -> tuple[int, int, float]:
    """Documents that only `first` has right, that only `second` has, and the exact two-sided p.

    Both are [documents], 1 where the answer is right. Where both are equally good, each document
    that they disagree on is the throw of a fair coin (McNemar 1947, in its binomial form).
    """
    only_first, only_second = int(np.sum(first > second)), int(np.sum(second > first))
    if not (discordant := only_first + only_second):
        return 0, 0, 1.0
    return only_first, only_second, float(binomtest(only_first, discordant).pvalue)
