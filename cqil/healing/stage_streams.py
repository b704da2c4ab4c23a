"""Two residual streams of calibration windows, the plan's and the dense model's, stage by stage.

Shape suffixes: B windows, T tokens of a window, H hidden size, N tokens, F features.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from transformers import LlamaForCausalLM

from cqil.healing.least_squares import TokenSums, best_ridge
from cqil.healing.refit_options import Projection
from cqil.healing.stage_linears import StageLinear, change_stage, inputs_of, stage_linears
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.modeling.layer_inputs import LayerInputs

STEPS = (0.5, 0.25)
"""Shorter steps towards a solution that is not exact."""


@dataclass(frozen=True)
class StageFit:
    """What one stage gave."""

    stage: int
    """Its number in the plan."""
    weights: dict[str, torch.Tensor]
    """Name in the dense model -> the new weight."""
    ridge: float | None
    """None where the weights stay as they were."""
    left: float
    """Share of what the stage missed that is left, on held-out windows."""


class StageStreams:
    """Advances both streams, and fits stages on them."""

    @torch.no_grad()
    def __init__(
        self,
        dense: LlamaForCausalLM,
        planned: PlannedLlamaForCausalLM,
        tokens_BT: torch.Tensor,
        held_out: float,
        batch: int,
    ) -> None:
        """`held_out`: share of the windows, the last ones, that choose ridges."""
        self.dense, self.planned = dense, planned
        self.stages = self.planned.model.decode_stages
        self.dense_BTH = dense.model.embed_tokens(tokens_BT.to(dense.device))
        self.plan_BTH = self.dense_BTH.clone()
        self.depth = 0
        self._layer_inputs = LayerInputs(dense)
        windows = len(tokens_BT)
        self.fitted_windows = windows - min(windows - 1, max(1, round(held_out * windows)))
        self._batches = [slice(i, i + batch) for i in range(0, windows, batch)]

    @torch.no_grad()
    def advance_dense(self, depth: int) -> None:
        """Runs the dense stream to the input of layer `depth`."""
        for layer in self.dense.model.layers[self.depth : depth]:
            for batch in self._batches:
                x_BTH = self.dense_BTH[batch]
                self.dense_BTH[batch] = layer(x_BTH, **self._layer_inputs(x_BTH))
        self.depth = depth

    def follow_dense(self) -> None:
        """Takes the dense stream, which the plan's equals as long as nothing has changed."""
        self.plan_BTH.copy_(self.dense_BTH)

    @torch.no_grad()
    def advance_plan(self, stage: int) -> None:
        """Runs the plan's stream through a stage."""
        for batch in self._batches:
            self.plan_BTH[batch] = self._run(stage, self.plan_BTH[batch])

    def _run(self, stage: int, x_BTH: torch.Tensor) -> torch.Tensor:
        return self.stages[stage](x_BTH, **self._layer_inputs(x_BTH))

    def has(self, stage: int, projections: Sequence[Projection]) -> bool:
        """Whether the stage has any of the projections."""
        return bool(stage_linears(self.planned, stage, projections))

    @torch.no_grad()
    def fit(
        self, stage: int, projections: Sequence[Projection], ridges: Sequence[float]
    ) -> StageFit:
        """Solves for the projections together, and takes what leaves least on held-out windows.

        `o_proj` feeds the MLPs of the stage too, which the solution does not know. So shorter steps
        towards it are tried as well, and `down_proj` alone, whose solution is exact.
        """
        linears = stage_linears(self.planned, stage, projections)
        fitted, held_out = self._sums(stage, linears)
        before = [linear.module.weight for linear in linears]
        best, solution_FH = StageFit(stage, {}, None, 1.0), torch.zeros_like(fitted.cross_FH)
        for candidate in _candidates(linears, fitted, held_out, ridges):
            change_stage(linears, before, candidate.solution(fitted))
            left = self._held_out_error(stage) / held_out.residual
            if left < best.left:
                best, chosen = StageFit(stage, {}, candidate.ridge, left), candidate
            elif best.ridge is not None:
                break
        if best.ridge is not None:  # what serves unseen windows is then solved for on all
            solution_FH = chosen.solution(fitted + held_out)
        change_stage(linears, before, solution_FH)
        weights = {linear.name: linear.module.weight.detach() for linear in linears}
        return replace(best, weights=weights)

    def _held_out_error(self, stage: int) -> float:
        """What the stage misses on held-out windows: the weighted sum over tokens."""
        total = 0.0
        for batch in self._batches:
            held_out = slice(max(batch.start, self.fitted_windows), batch.stop)
            x_BTH, y_BTH = self.plan_BTH[held_out], self.dense_BTH[held_out]
            if len(x_BTH):
                missed_BTH = (y_BTH - self._run(stage, x_BTH)).float()
                w_BT = _token_weights(y_BTH)
                total += float((w_BT * missed_BTH.square().sum(-1)).sum(dtype=torch.float64))
        return total

    def take(self, fit: StageFit) -> StageFit:
        """Sets the weights that an earlier run has found."""
        for linear in stage_linears(self.planned, fit.stage, ("o_proj", "down_proj")):
            if linear.name in fit.weights:
                linear.set_weight(fit.weights[linear.name].to(linear.module.weight))
        return fit

    def _sums(self, stage: int, linears: Sequence[StageLinear]) -> tuple[TokenSums, TokenSums]:
        """Sums over the windows to fit, and over those held out."""
        features = sum(linear.module.in_features for linear in linears)
        device, hidden = self.plan_BTH.device, self.plan_BTH.shape[-1]
        fitted, held_out = (TokenSums.empty(features, hidden, device) for _ in range(2))
        for batch in self._batches:
            x_BTH, y_BTH = self.plan_BTH[batch], self.dense_BTH[batch]
            with inputs_of(linears) as seen:
                missed_BTH = y_BTH - self._run(stage, x_BTH)
            f_BTF = torch.cat([linear.share * seen[linear.name] for linear in linears], -1)
            w_BT = _token_weights(y_BTH)
            inside = max(0, min(len(x_BTH), self.fitted_windows - batch.start))
            for sums, part in ((fitted, slice(0, inside)), (held_out, slice(inside, None))):
                sums.add(
                    f_BTF[part].flatten(0, 1), missed_BTH[part].flatten(0, 1), w_BT[part].flatten()
                )
        return fitted, held_out


def _token_weights(y_BTH: torch.Tensor) -> torch.Tensor:
    """[B, T]: a few tokens have streams a hundred times larger, and would own the fit."""
    return 1 / y_BTH.float().square().mean(-1)


@dataclass(frozen=True)
class _Candidate:
    """A step towards the solution for some of the features."""

    features_F: torch.Tensor
    """Which of them."""
    ridge: float
    step: float = 1.0

    def solution(self, sums: TokenSums) -> torch.Tensor:
        """[F, H]; zero for the other features."""
        solution_FH = torch.zeros_like(sums.cross_FH)
        solution_FH[self.features_F] = self.step * sums.of(self.features_F).solve(self.ridge)
        return solution_FH


def _candidates(
    linears: Sequence[StageLinear],
    fitted: TokenSums,
    held_out: TokenSums,
    ridges: Sequence[float],
) -> Iterator[_Candidate]:
    """What may be taken, the most promising first; nothing where no ridge serves."""
    exact_F = torch.cat([linear.exact_F() for linear in linears])
    all_F, ridge = torch.ones_like(exact_F), best_ridge(fitted, held_out, ridges)
    steps = () if exact_F.all() else STEPS
    if not math.isinf(ridge):
        yield _Candidate(all_F, ridge)
        yield from (_Candidate(all_F, ridge, step) for step in steps[:1])
    if steps and exact_F.any():
        alone = best_ridge(fitted.of(exact_F), held_out.of(exact_F), ridges)
        if not math.isinf(alone):
            yield _Candidate(exact_F, alone)
    if not math.isinf(ridge):
        yield from (_Candidate(all_F, ridge, step) for step in steps[1:])
