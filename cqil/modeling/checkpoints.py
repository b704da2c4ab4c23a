"""Opening dense LLaMA checkpoints, with one clear line where that cannot be done."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoConfig, LlamaConfig

HUB_FILES = ["*.safetensors", "*.json", "tokenizer*", "*.model"]


def locate_checkpoint(name: str) -> Path:
    """A local directory, or the snapshot of a hub id. Raises ValueError where it is neither."""
    if Path(name).is_dir():
        return Path(name).resolve()
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES))
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"model: {name!r} is no directory, and the hub does not give it ({reason}); "
            "download it and give its directory"
        ) from None


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
