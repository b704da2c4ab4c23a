"""Ridge regression from sums over tokens, so that no token has to be kept.

A Gram matrix is symmetric, so it is summed below its diagonal alone, which halves the work.

Shape suffixes: N tokens, F features, H targets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from cqil.modeling.precision import at_least_float32

COLUMNS = 512
"""So many columns of a Gram matrix are summed at once."""


@dataclass
class TokenSums:
    """Weighted sums over tokens: sum w f f', sum w f r', and sum w r r'."""

    gram_FF: torch.Tensor
    """What lies above the diagonal has no meaning."""
    cross_FH: torch.Tensor
    residual: float = 0.0

    @classmethod
    def empty(cls, features: int, targets: int, device: torch.device) -> TokenSums:
        gram_FF = torch.zeros(features, features, dtype=torch.float64, device=device)
        return cls(gram_FF, gram_FF.new_zeros(features, targets))

    def add(self, f_NF: torch.Tensor, r_NH: torch.Tensor, w_N: torch.Tensor) -> None:
        """Adds tokens with features f, targets r and weights w, in float32 or wider."""
        f_NF, r_NH, w_N = (at_least_float32(tensor) for tensor in (f_NF, r_NH, w_N))
        weighted_NF = f_NF * w_N[:, None]
        self._add_gram(weighted_NF, f_NF)
        self.cross_FH += weighted_NF.T @ r_NH
        self.residual += float((w_N * r_NH.square().sum(-1)).sum(dtype=torch.float64))

    def add_gram(self, f_NF: torch.Tensor) -> None:
        """Adds tokens of weight 1 to the Gram matrix alone."""
        wide_NF = at_least_float32(f_NF)
        self._add_gram(wide_NF, wide_NF)

    def _add_gram(self, weighted_NF: torch.Tensor, f_NF: torch.Tensor) -> None:
        for start in range(0, f_NF.shape[1], COLUMNS):
            rows, end = slice(start, start + COLUMNS), start + COLUMNS
            self.gram_FF[rows, :end] += weighted_NF[:, rows].T @ f_NF[:, :end]

    def __add__(self, other: TokenSums) -> TokenSums:
        return TokenSums(
            self.gram_FF + other.gram_FF,
            self.cross_FH + other.cross_FH,
            self.residual + other.residual,
        )

    def of(self, chosen_F: torch.Tensor) -> TokenSums:
        """The sums of some features alone."""
        if chosen_F.all():
            return self
        gram_FF = self.gram_FF[chosen_F][:, chosen_F]
        return TokenSums(gram_FF, self.cross_FH[chosen_F], self.residual)

    def error(self, solution_FH: torch.Tensor) -> float:
        """Share of the targets that a solution leaves: 1 for none, 0 for an exact one."""
        # S'GS from G's lower half, which holds every product but those of the diagonal once.
        half_FH = self.gram_FF.tril() @ solution_FH - self.cross_FH
        squares = self.gram_FF.diagonal() @ solution_FH.square().sum(-1)
        return 1 + (2 * float((solution_FH * half_FH).sum()) - float(squares)) / self.residual

    def solve(self, ridge: float) -> torch.Tensor:
        """[F, H] that minimises sum w |f' S - r'|^2 + ridge x mean diagonal x |S|^2.

        An infinite ridge gives zero.
        """
        if math.isinf(ridge):
            return torch.zeros_like(self.cross_FH)
        diagonal_F = self.gram_FF.diagonal()
        regularised_FF = self.gram_FF.clone()
        regularised_FF.diagonal().add_(ridge * diagonal_F.mean())
        factor_FF = torch.linalg.cholesky(regularised_FF)
        return torch.cholesky_solve(self.cross_FH, factor_FF)


def best_ridge(fitted: TokenSums, held_out: TokenSums, ridges: Sequence[float]) -> float:
    """The ridge whose solution leaves least on tokens that it has not seen; infinity for none.

    They are tried from the largest on, until one leaves more than the one before.
    """
    best, least = math.inf, 1.0
    for ridge in sorted(ridges, reverse=True):
        left = held_out.error(fitted.solve(ridge))
        if left >= least:
            break
        best, least = ridge, left
    return best
