"""A plan over the dense model's weights, some of which others take the place of."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from transformers import LlamaForCausalLM

from cqil.checkpoint.tensor_names import name_in_dense
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.plan import LayerPlan


def planned_with(
    dense: LlamaForCausalLM, plan: LayerPlan, edited: Mapping[str, torch.Tensor]
) -> PlannedLlamaForCausalLM:
    """The plan; all weights but the edited ones are shared with `dense`, which stays as it is.

    `edited`: name in the dense model -> weight.
    """
    model = PlannedLlamaForCausalLM.from_dense(dense, plan)
    for name, parameter in list(model.named_parameters()):
        dense_name = name_in_dense(name, plan)
        if dense_name in edited:
            replace_parameter(model, name, edited[dense_name].to(parameter))
    return model


def replace_parameter(model: nn.Module, name: str, weight: torch.Tensor) -> nn.Parameter:
    """A new parameter, so that models that share the old one keep it."""
    place, _, own_name = name.rpartition(".")
    parameter = nn.Parameter(weight, requires_grad=False)
    setattr(model.get_submodule(place), own_name, parameter)
    return parameter
