"""Opening dense LLaMA checkpoints, with one clear line where that cannot be done."""

from __future__ import annotations

from transformers import AutoConfig, LlamaConfig


def read_config(name: str) -> LlamaConfig:
    """Configuration of a directory or hub id.

    Raises ValueError where there is none, or where the model is not a LLaMA.
    """
    try:
        config = AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"model: {name} gives no configuration ({reason}); give the directory or hub id of a "
            "LLaMA checkpoint"
        ) from None
    if config.model_type != "llama":
        raise ValueError(f"model: {name} is a {config.model_type}; give a LLaMA checkpoint")
    return config
