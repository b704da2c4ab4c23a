"""Which models in memory a plan can be applied to."""

from __future__ import annotations

from transformers import LlamaForCausalLM


def check_dense_model(model: LlamaForCausalLM) -> None:
    """Raises ValueError unless the model is a dense LLaMA whose weights carry no adapter."""
    if not isinstance(model, LlamaForCausalLM) or model.config.model_type != "llama":
        raise ValueError(
            f"dense: is a {type(model).__name__}; give the LlamaForCausalLM, after merging any "
            "adapter with peft's merge_and_unload"
        )
    # peft puts an adapter's weights beside those of the layer that it wraps.
    wrapped = next((name for name in model.state_dict() if ".base_layer." in name), None)
    if wrapped is not None:
        raise ValueError(
            f"dense: {wrapped} belongs to an adapter; merge it with peft's merge_and_unload first"
        )
