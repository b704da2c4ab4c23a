"""States of the residual stream under plans, over calibration windows of equal length.

Plans that share their first stages share the states behind these. Shape suffixes: B windows,
T tokens, H hidden size.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from transformers import LlamaForCausalLM

from cqil.modeling.layer_group import LayerGroup
from cqil.modeling.layer_inputs import layer_inputs
from cqil.plan import LayerPlan
from cqil.plan.stages import Stage, layer_of

MAX_KEPT_STATES = 200
"""Number of states that stay in memory; each has windows x tokens x hidden size numbers."""


class LayerStep(NamedTuple):
    """The residual stream before and after one layer."""

    layer: int
    input_BTH: torch.Tensor
    output_BTH: torch.Tensor


class PlanStates:
    """Runs plans over the windows, and keeps the states behind their first stages."""

    @torch.inference_mode()
    def __init__(
        self, dense: LlamaForCausalLM, tokens_BT: torch.Tensor, *, keep: bool = True
    ) -> None:
        """`tokens_BT`: the windows, on the device of the model; `keep`: whether states are kept."""
        self.dense, self.max_kept_states = dense, MAX_KEPT_STATES if keep else 0
        self._kept: OrderedDict[tuple[Any, ...], torch.Tensor] = OrderedDict()
        embedded_BTH = dense.model.embed_tokens(tokens_BT)
        self._embedded_BTH = embedded_BTH
        self._layer_inputs = layer_inputs(dense, embedded_BTH)

    @torch.inference_mode()
    def last(self, plan: LayerPlan) -> torch.Tensor:
        """The state [B, T, H] behind the last stage, before the final norm.

        The plan must have neither prefill stages of its own nor a ladder: searches try none.
        """
        assert plan.prefill is None
        assert plan.ladder is None
        # A stage of one layer is independent of the bypass, so plans with other bypasses share it.
        keys = [
            (stage, None if len(stage) == 1 else (plan.bypass, plan.bypass_target))
            for stage in plan.groups
        ]
        done = next((n for n in range(len(keys), 0, -1) if tuple(keys[:n]) in self._kept), 0)
        x_BTH = self._kept[tuple(keys[:done])] if done else self._embedded_BTH
        for n in range(done, len(keys)):
            x_BTH = self._module(plan.groups[n], plan)(x_BTH, **self._layer_inputs)
            self._keep(tuple(keys[: n + 1]), x_BTH)
        return x_BTH

    @torch.inference_mode()
    def layer_steps(self, skipped: int | None = None) -> Iterator[LayerStep]:
        """The layers of the dense model in order, without the skipped one."""
        x_BTH = self._embedded_BTH
        for index, layer in enumerate(self.dense.model.layers):
            if index != skipped:
                output_BTH = layer(x_BTH, **self._layer_inputs)
                yield LayerStep(index, x_BTH, output_BTH)
                x_BTH = output_BTH

    def _module(self, stage: Stage, plan: LayerPlan) -> torch.nn.Module:
        layers = [self.dense.model.layers[layer_of(member)] for member in stage]
        if stage == (layer_of(stage[0]),):
            return layers[0]
        return LayerGroup(stage, layers, plan.bypass, plan.bypass_target)  # type: ignore[arg-type]

    def _keep(self, key: tuple[Any, ...], x_BTH: torch.Tensor) -> None:
        """Keeps a state, and drops the oldest one if there are too many."""
        self._kept[key] = x_BTH
        if len(self._kept) > self.max_kept_states:
            self._kept.popitem(last=False)
