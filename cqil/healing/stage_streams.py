"""Two residual streams of calibration windows, the plan's and the dense model's, stage by stage.

Shape suffixes: B windows, T tokens of a window, H hidden size, N tokens, F features.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from transformers import LlamaForCausalLM

from cqil.healing.least_squares import TokenSums, best_ridge
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.modeling.layer_inputs import layer_inputs
from cqil.plan import LayerPlan
from cqil.plan.stages import has_attention, has_mlp, layer_of

Projection = Literal["down_proj", "o_proj"]
PARTS = {"down_proj": "mlp.down_proj", "o_proj": "self_attn.o_proj"}
"""Projection -> its place in a layer."""
Rounds = Sequence[Sequence[Projection]]


@dataclass(frozen=True)
class StageFit:
    """What one stage gave."""

    stage: int
    """Its number in the plan."""
    weights: dict[str, torch.Tensor]
    """Name in the dense model -> the new weight."""
    ridges: list[float | None]
    """What each round chose; None where the weights stay as they were."""
    left: list[float]
    """Share of what the stage missed that each round leaves, on held-out windows."""


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
        plan: LayerPlan,
        tokens_BT: torch.Tensor,
        held_out: float,
        batch: int,
    ) -> None:
        """`held_out`: share of the windows, the last ones, that choose ridges."""
        self.dense, self.plan = dense, plan
        self.planned = PlannedLlamaForCausalLM.from_dense(dense, plan)
        self.stages = self.planned.model.decode_stages
        self.dense_BTH = dense.model.embed_tokens(tokens_BT.to(dense.device))
        self.plan_BTH = self.dense_BTH.clone()
        self.depth = 0
        windows = len(tokens_BT)
        self.fitted_windows = windows - min(windows - 1, max(1, round(held_out * windows)))
        self._batches = [slice(i, i + batch) for i in range(0, windows, batch)]

    @torch.no_grad()
    def advance_dense(self, depth: int) -> None:
        """Runs the dense stream to the input of layer `depth`."""
        for layer in self.dense.model.layers[self.depth : depth]:
            for batch in self._batches:
                x_BTH = self.dense_BTH[batch]
                self.dense_BTH[batch] = layer(x_BTH, **layer_inputs(self.dense, x_BTH))
        self.depth = depth

    @torch.no_grad()
    def advance_plan(self, stage: int) -> None:
        """Runs the plan's stream through a stage."""
        for batch in self._batches:
            self.plan_BTH[batch] = self._run(stage, self.plan_BTH[batch])

    def _run(self, stage: int, x_BTH: torch.Tensor) -> torch.Tensor:
        return self.stages[stage](x_BTH, **layer_inputs(self.dense, x_BTH))

    def has(self, stage: int, rounds: Rounds) -> bool:
        """Whether the stage has any of the projections."""
        return any(self._linears(stage, projections) for projections in rounds)

    @torch.no_grad()
    def fit(self, stage: int, rounds: Rounds, ridges: Sequence[float]) -> StageFit:
        """Solves for the projections of each round, one round after the other."""
        weights: dict[str, torch.Tensor] = {}
        chosen: list[float | None] = []
        left: list[float] = []
        for projections in rounds:
            linears = self._linears(stage, projections)
            if not linears:
                continue
            fitted, held_out = self._sums(stage, linears)
            ridge = best_ridge(fitted, held_out, ridges)
            left.append(held_out.error(fitted.solve(ridge)))
            chosen.append(None if math.isinf(ridge) else ridge)
            solution_FH = (fitted + held_out).solve(ridge)
            widths = [linear.module.in_features for linear in linears]
            for linear, delta_FH in zip(linears, solution_FH.split(widths), strict=True):
                weight = linear.module.weight.double() + linear.share * delta_FH.T
                _set(linear, weight.to(linear.module.weight.dtype))
                weights[linear.name] = linear.module.weight.detach()
        return StageFit(stage, weights, chosen, left)

    def take(self, fit: StageFit) -> StageFit:
        """Sets the weights that an earlier run has found."""
        every = self._linears(fit.stage, ("down_proj", "o_proj"))
        for linear in every:
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
