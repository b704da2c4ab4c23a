"""The projections that end the halves of a stage's members. F features, H hidden size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from cqil.checkpoint.tensor_names import LAYERS
from cqil.healing.planned_weights import replace_parameter
from cqil.healing.refit_options import Projection
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.plan.stages import has_attention, has_mlp, layer_of

PARTS: dict[Projection, str] = {"down_proj": "mlp.down_proj", "o_proj": "self_attn.o_proj"}
"""Projection -> its place in a layer."""


@dataclass(frozen=True)
class StageLinear:
    """A projection of a stage's member, and how much of its output the stage adds."""

    name: str
    """Of its weight in the dense model."""
    module: nn.Linear
    share: float
    projection: Projection

    def exact_F(self) -> torch.Tensor:
        """By feature: whether nothing in the stage reads the output, so that solutions hold."""
        weight = self.module.weight
        return torch.full(weight.shape[1:], self.projection == "down_proj", device=weight.device)

    def set_weight(self, weight: torch.Tensor) -> None:
        """A new parameter, so that the dense model, which shares the old one, stays as it is."""
        replace_parameter(self.module, "weight", weight)


def stage_linears(
    planned: PlannedLlamaForCausalLM, stage: int, projections: Sequence[Projection]
) -> list[StageLinear]:
    """Those of the projections that the stage has, member by member."""
    plan = planned.plan
    members, linears = plan.groups[stage], []
    share = 1 / len(members) if plan.bypass_target == "mean" and len(members) > 1 else 1.0
    for member in members:
        layer = layer_of(member)
        stored = plan.stored_layers.index(layer)
        for projection in projections:
            if has_mlp(member) if projection == "down_proj" else has_attention(member):
                place = PARTS[projection]
                module = planned.model.layers[stored].get_submodule(place)
                assert isinstance(module, nn.Linear)
                name = f"{LAYERS}{layer}.{place}.weight"
                linears.append(StageLinear(name, module, share, projection))
    return linears


def change_stage(
    linears: Sequence[StageLinear], before: Sequence[torch.Tensor], change_FH: torch.Tensor
) -> None:
    """The weights before, plus the rows of a solution that belong to each."""
    parts = change_FH.split([linear.module.in_features for linear in linears])
    for linear, weight, part_FH in zip(linears, before, parts, strict=True):
        linear.set_weight((weight.double() + part_FH.T).to(weight.dtype))


@contextmanager
def inputs_of(linears: Sequence[StageLinear]) -> Iterator[dict[str, torch.Tensor]]:
    """Collects what each projection is given while the block runs, by name."""
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
