"""Right or wrong, document by document: McNemar's exact test."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest


def mcnemar(mine: np.ndarray, theirs: np.ndarray) -> tuple[int, int, float]:
    """Documents that only `mine` has right, that only `theirs` has, and the exact two-sided p.

    Where both are equally good, each such document is the throw of a fair coin (McNemar 1947, in
    its binomial form).
    """
    only_mine, only_theirs = int(np.sum(mine > theirs)), int(np.sum(theirs > mine))
    if not (discordant := only_mine + only_theirs):
        return 0, 0, 1.0
    return only_mine, only_theirs, float(binomtest(only_mine, discordant).pvalue)
