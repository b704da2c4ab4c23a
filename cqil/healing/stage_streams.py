"""Two residual streams of calibration windows, the plan's and the dense model's, stage by stage.

Shape suffixes: B windows, T tokens of a window, H hidden size, N tokens, F features.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import LlamaForCausalLM

from cqil.healing.least_squares import TokenSums, best_ridge
from cqil.healing.refit_options import Projection
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.modeling.layer_inputs import layer_inputs
from cqil.plan.stages import has_attention, has_mlp, layer_of

PARTS = {"down_proj": "mlp.down_proj", "o_proj": "self_attn.o_proj"}
"""Projection -> its place in a layer."""
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


@dataclass(frozen=True)
class _Linear:
    """A projection of a stage's member, and how much of its output the stage adds."""

    name: str
    module: nn.Linear
    share: float


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
        self.dense, self.planned, self.plan = dense, planned, planned.plan
        self.stages = self.planned.model.decode_stages
        self.dense_BTH = dense.model.embed_tokens(tokens_BT.to(dense.device))
        self.plan_BTH = self.dense_BTH.clone()
        self.depth = 0
        self._inputs_by_windows: dict[int, dict[str, Any]] = {}
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

    @torch.no_grad()
    def advance_plan(self, stage: int) -> None:
        """Runs the plan's stream through a stage."""
        for batch in self._batches:
            self.plan_BTH[batch] = self._run(stage, self.plan_BTH[batch])

    def _run(self, stage: int, x_BTH: torch.Tensor) -> torch.Tensor:
        return self.stages[stage](x_BTH, **self._layer_inputs(x_BTH))

    def _layer_inputs(self, x_BTH: torch.Tensor) -> dict[str, Any]:
        """Equal for all windows, so they are made once for each number of windows."""
        windows = len(x_BTH)
        if windows not in self._inputs_by_windows:
            self._inputs_by_windows[windows] = layer_inputs(self.dense, x_BTH)
        return self._inputs_by_windows[windows]

    def has(self, stage: int, projections: Sequence[Projection]) -> bool:
        """Whether the stage has any of the projections."""
        return bool(self._linears(stage, projections))

    @torch.no_grad()
    def fit(
        self, stage: int, projections: Sequence[Projection], ridges: Sequence[float]
    ) -> StageFit:
        """Solves for the projections together, and takes what leaves least on held-out windows.

        `o_proj` feeds the MLPs of the stage too, which the solution does not know. So shorter steps
        towards it are tried as well, and `down_proj` alone, whose solution is exact.
        """
        linears = self._linears(stage, projections)
        fitted, held_out = self._sums(stage, linears)
        before = [linear.module.weight for linear in linears]
        candidates = self._candidates(linears, fitted, held_out, ridges)
        errors = []
        for _, solution_FH in candidates:
            self._set_all(linears, before, solution_FH)
            errors.append(self._held_out_error(stage) / held_out.residual)
        best = min(range(len(candidates)), key=errors.__getitem__)
        self._set_all(linears, before, candidates[best][1])
        weights = {linear.name: linear.module.weight.detach() for linear in linears}
        ridge = candidates[best][0]
        return StageFit(stage, weights, None if math.isinf(ridge) else ridge, errors[best])

    def _candidates(
        self,
        linears: Sequence[_Linear],
        fitted: TokenSums,
        held_out: TokenSums,
        ridges: Sequence[float],
    ) -> list[tuple[float, torch.Tensor]]:
        """Ridges with their solutions [F, H]; the first changes nothing."""
        ridge = best_ridge(fitted, held_out, ridges)
        joint_FH = (fitted + held_out).solve(ridge)
        candidates = [(math.inf, torch.zeros_like(joint_FH)), (ridge, joint_FH)]
        exact_F = torch.cat(
            [
                torch.full((linear.module.in_features,), linear.name.endswith("down_proj.weight"))
                for linear in linears
            ]
        ).to(joint_FH.device)
        if not exact_F.all():
            candidates += [(ridge, step * joint_FH) for step in STEPS]
        if exact_F.any() and not exact_F.all():
            alone = best_ridge(fitted.of(exact_F), held_out.of(exact_F), ridges)
            exact_FH = torch.zeros_like(joint_FH)
            exact_FH[exact_F] = (fitted + held_out).of(exact_F).solve(alone)
            candidates.append((alone, exact_FH))
        return candidates

    def _set_all(
        self, linears: Sequence[_Linear], before: Sequence[torch.Tensor], solution_FH: torch.Tensor
    ) -> None:
        """The weights before, changed by a solution."""
        widths = [linear.module.in_features for linear in linears]
        parts = solution_FH.split(widths)
        for linear, weight, delta_FH in zip(linears, before, parts, strict=True):
            changed = weight.double() + linear.share * delta_FH.T
            _set(linear, changed.to(weight.dtype))

    def _held_out_error(self, stage: int) -> float:
        """What the stage misses on held-out windows: the weighted sum over tokens."""
        total = 0.0
        for batch in self._batches:
            held_out = slice(max(batch.start, self.fitted_windows), batch.stop)
            x_BTH, y_BTH = self.plan_BTH[held_out], self.dense_BTH[held_out]
            if len(x_BTH):
                missed_BTH = (y_BTH - self._run(stage, x_BTH)).float()
                w_BT = 1 / y_BTH.float().square().mean(-1)
                total += float((w_BT * missed_BTH.square().sum(-1)).sum(dtype=torch.float64))
        return total

    def take(self, fit: StageFit) -> StageFit:
        """Sets the weights that an earlier run has found."""
        for linear in self._linears(fit.stage, ("o_proj", "down_proj")):
            if linear.name in fit.weights:
                _set(linear, fit.weights[linear.name].to(linear.module.weight))
        return fit

    def _linears(self, stage: int, projections: Sequence[Projection]) -> list[_Linear]:
        members, linears = self.plan.groups[stage], []
        share = 1 / len(members) if self.plan.bypass_target == "mean" and len(members) > 1 else 1.0
        for member in members:
            layer = layer_of(member)
            stored = self.plan.stored_layers.index(layer)
            for projection in projections:
                present = has_mlp(member) if projection == "down_proj" else has_attention(member)
                if present:
                    place = PARTS[projection]
                    module = self.planned.model.layers[stored].get_submodule(place)
                    assert isinstance(module, nn.Linear)
                    linears.append(_Linear(f"model.layers.{layer}.{place}.weight", module, share))
        return linears

    def _sums(self, stage: int, linears: Sequence[_Linear]) -> tuple[TokenSums, TokenSums]:
        """Sums over the windows to fit, and over those held out."""
        features = sum(linear.module.in_features for linear in linears)
        device, hidden = self.plan_BTH.device, self.plan_BTH.shape[-1]
        fitted, held_out = (TokenSums.empty(features, hidden, device) for _ in range(2))
        for batch in self._batches:
            x_BTH, y_BTH = self.plan_BTH[batch], self.dense_BTH[batch]
            with _inputs(linears) as seen:
                missed_BTH = y_BTH - self._run(stage, x_BTH)
            f_BTF = torch.cat([linear.share * seen[linear.name] for linear in linears], -1)
            w_BT = 1 / y_BTH.float().square().mean(-1)
            inside = max(0, min(len(x_BTH), self.fitted_windows - batch.start))
            for sums, part in ((fitted, slice(0, inside)), (held_out, slice(inside, None))):
                sums.add(
                    f_BTF[part].flatten(0, 1), missed_BTH[part].flatten(0, 1), w_BT[part].flatten()
                )
        return fitted, held_out


def _set(linear: _Linear, weight: torch.Tensor) -> None:
    """A new parameter, so that the dense model, which shares the old one, stays as it is."""
    linear.module.weight = nn.Parameter(weight, requires_grad=False)


@contextmanager
def _inputs(linears: Sequence[_Linear]) -> Iterator[dict[str, torch.Tensor]]:
    """Collects what each projection is given while the block runs."""
    seen: dict[str, torch.Tensor] = {}

    def collect(name: str) -> object:
        def hook(module: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
            seen[name] = arguments[0]

        return hook

    hooks = [
        linear.module.register_forward_pre_hook(collect(linear.name))  # type: ignore[arg-type]
        for linear in linears
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
