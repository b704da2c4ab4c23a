"""Planned models that are LLaMAs with fewer layers, as LLaMAs, which every runtime opens."""

from __future__ import annotations

import torch
from transformers import LlamaForCausalLM

from cqil.modeling.planned_llama import PlannedLlamaForCausalLM
from cqil.plan import LayerPlan


def is_plain(plan: LayerPlan) -> bool:
    """Whether the plan runs whole layers one by one in their order, for prompt and new tokens."""
    one_by_one = tuple((layer,) for layer in plan.stored_layers)
    return plan.groups == one_by_one and plan.prefill is None and plan.ladder is None


def as_plain_llama(planned: PlannedLlamaForCausalLM) -> LlamaForCausalLM:
    """The same model as a `LlamaForCausalLM` over the same weights.

    Raises ValueError where the plan is not plain.
    """
    if not is_plain(planned.plan):
        raise ValueError(f"plan: {planned.plan.slug} runs layers together; no LLaMA does that")
    config = planned.config.stored_config()
    with torch.device("meta"):
        plain = LlamaForCausalLM(config)
    plain.load_state_dict(planned.state_dict(), assign=True)
    plain.tie_weights()
    plain.model.rotary_emb = planned.model.rotary_emb
    plain.generation_config = planned.generation_config
    return plain.train(planned.training)
