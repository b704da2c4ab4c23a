"""What is trained: a plan over the dense model's weights, and the weights that may change.

The dense model is the teacher. Both share every tensor that is not trained or edited, so there is
no second model in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, product

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn
from transformers import LlamaForCausalLM

from cqil.checkpoint.tensor_names import LAYERS, name_in_dense
from cqil.healing.changed_stages import changed_stages
from cqil.healing.planned_weights import planned_with, replace_parameter
from cqil.healing.training_options import FullOptions, LoraOptions
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.modeling.precision import at_least_float32
from cqil.plan import LayerPlan
from cqil.plan.stages import attention_layers, layer_of, mlp_layers


@dataclass(frozen=True)
class Student:
    """A planned model and its trained parameters."""

    model: PlannedLlamaForCausalLM
    trained: dict[str, nn.Parameter]
    """Name in the planned model -> parameter."""

    @property
    def plan(self) -> LayerPlan:
        return self.model.plan

    def dense_names(self) -> dict[str, str]:
        """Name of each trained parameter in the planned model -> that in the dense model."""
        return {name: name_in_dense(name, self.plan) for name in self.trained}


def lora_student(
    dense: LlamaForCausalLM,
    plan: LayerPlan,
    edited: Mapping[str, torch.Tensor],
    options: LoraOptions,
) -> Student:
    """LoRA, in float32, beside the linear layers that the plan runs; before a step it is zero.

    `edited`: name in the dense model -> the weight that takes its place in the student alone.
    """
    model = planned_with(dense, plan, edited)
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,  # type: ignore[arg-type]
        lora_dropout=options.dropout,
        target_modules=list(options.targets),
        layers_to_transform=[plan.stored_layers.index(layer) for layer in _layers(plan, options)],
    )
    inject_adapter_in_model(config, model)
    runs = _runs(plan)
    trained = {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and name_in_dense(name, plan).startswith(runs)
    }
    for parameter in trained.values():
        parameter.data = at_least_float32(parameter.data)
    return _only_trained(model, trained)


def full_student(
    dense: LlamaForCausalLM,
    plan: LayerPlan,
    edited: Mapping[str, torch.Tensor],
    options: FullOptions,
) -> Student:
    """Every weight of the layers that the plan runs; copies of these alone are held, in float32."""
    model = planned_with(dense, plan, edited)
    runs, trained = _runs(plan), {}
    for name, parameter in list(model.named_parameters()):
        if name_in_dense(name, plan).startswith(runs):
            copy = at_least_float32(parameter.detach().clone())
            trained[name] = replace_parameter(model, name, copy)
    return _only_trained(model, trained)


def _only_trained(model: PlannedLlamaForCausalLM, trained: dict[str, nn.Parameter]) -> Student:
    chosen = {id(parameter) for parameter in trained.values()}
    for parameter in model.parameters():
        # Frozen parameters are shared with the dense model, which is no part of the training.
        parameter.requires_grad_(id(parameter) in chosen)
    return Student(model.train(), trained)


def _layers(plan: LayerPlan, options: LoraOptions) -> list[int]:
    if options.layers == "all":
        return list(plan.stored_layers)
    return sorted(
        {layer_of(member) for stage in changed_stages(plan) for member in plan.groups[stage]}
    )


def _runs(plan: LayerPlan) -> tuple[str, ...]:
    """How the dense names of parameters start that the plan runs, for prompt or decoding."""
    members = tuple(chain(*plan.groups, *plan.prefill_groups))
    attention = product(attention_layers(members), ("self_attn", "input_layernorm"))
    mlp = product(mlp_layers(members), ("mlp", "post_attention_layernorm"))
    return tuple(f"{LAYERS}{layer}.{part}." for layer, part in chain(attention, mlp))
