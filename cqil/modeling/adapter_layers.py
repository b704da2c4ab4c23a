"""An adapter of the dense model must not land on a plan that leaves layers out.

A planned model numbers the layers that it stores anew, so that those behind a removed layer would
take another layer's adapter, and peft passes over the numbers that are too many without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cqil.modeling.planned_llama import PlannedLlamaForCausalLM

_ADAPTED_LAYER = re.compile(r"\.layers\.(\d+)\..*\.lora_")


def check_adapter_layers(model: PlannedLlamaForCausalLM, state: Iterable[str], *_: Any) -> None:
    """Raises ValueError where `state` holds LoRA weights of more layers than the plan stores.

    A hook that runs before weights are loaded into the model.
    """
    last = max((int(found[1]) for found in map(_ADAPTED_LAYER.search, state) if found), default=-1)
    plan = model.plan
    if last >= len(plan.stored_layers):
        raise ValueError(
            f"adapter: has weights of layer {last}, but the plan keeps "
            f"{len(plan.stored_layers)} of {plan.num_layers} layers and numbers them anew; "
            "merge it into the dense model with peft's merge_and_unload, then apply the plan"
        )
