"""`config.json` of a checkpoint: read once, and refused where a model would silently differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import LlamaConfig

from cqil.errors import one_line
from cqil.modeling.configuration import PlannedLlamaConfig

FULL_ATTENTION = "full_attention"


def read_config(folder: Path) -> LlamaConfig:
    """The configuration of a LLaMA or of a planned LLaMA.

    Raises ValueError with one line where there is none, where Transformers does not take it, and as
    `check_config` does.
    """
    data = read_json_object(folder / "config.json")
    model_type = data.get("model_type")
    if model_type not in ("llama", "planned_llama"):
        raise ValueError(f"model: {folder} is a {model_type}; give a LLaMA checkpoint")
    refuse_own_code(data, "config.json")
    config = _parse(folder, model_type)
    check_config(config)
    if hasattr(config, "layer_types"):
        # All are the same, and one entry a layer would not fit a plan that leaves out layers.
        del config.layer_types
    return config


def check_config(config: LlamaConfig) -> None:
    """Raises ValueError where what is computed would differ from what the configuration says."""
    if getattr(config, "quantization_config", None):
        raise ValueError(
            "quantization_config: the weights must be plain; dequantise them and remove the key"
        )
    if getattr(config, "transformers_weights", None):
        raise ValueError(
            "transformers_weights: names another file of weights; save them as model.safetensors"
        )
    for key in ("sliding_window", "attention_chunk_size"):
        if (value := getattr(config, key, None)) is not None:
            raise ValueError(
                f"{key}: {value!r}, but a LLaMA attends to all tokens, and Transformers would cut "
                "its cache; set it to null in config.json"
            )
    layer_types = sorted(set(getattr(config, "layer_types", None) or [FULL_ATTENTION]))
    if layer_types != [FULL_ATTENTION]:
        raise ValueError(
            f"layer_types: {', '.join(layer_types)}, but a LLaMA has {FULL_ATTENTION} alone; "
            "remove the key from config.json"
        )
    if config.hidden_act != "silu":
        raise ValueError(f"hidden_act: {config.hidden_act!r}, but the engine computes silu alone")
    # The default rotary embedding of a LLaMA ignores this factor, and the others fail over it.
    rotary_factor = (config.rope_parameters or {}).get("partial_rotary_factor") or 1
    if rotary_factor != 1:
        raise ValueError(
            f"partial_rotary_factor: {rotary_factor}, but a LLaMA rotates whole heads; remove it"
        )


def read_json_object(file: Path) -> dict[str, Any]:
    """A JSON object. Raises ValueError with one line where the file holds none."""
    if not file.is_file():
        raise ValueError(f"model: {file.parent} holds no {file.name}; fetch the checkpoint again")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: is not JSON ({error}); fetch the checkpoint again") from None
    if not isinstance(data, dict):
        raise ValueError(f"{file}: is no JSON object; fetch the checkpoint again")
    return data


def refuse_own_code(data: dict[str, Any], file: str) -> None:
    """Raises ValueError where a file of the checkpoint names Python code that it brings along."""
    if data.get("auto_map"):
        raise ValueError(
            f"auto_map: {file} names code of the checkpoint, which is never run; remove the key if "
            "the code of Transformers does the same"
        )


def _parse(folder: Path, model_type: str) -> LlamaConfig:
    config_class = LlamaConfig if model_type == "llama" else PlannedLlamaConfig
    try:
        return config_class.from_pretrained(folder)
    except Exception as error:  # Transformers and its strict dataclasses raise many types
        reason = one_line(error)
        raise ValueError(
            f"model: Transformers does not take {folder / 'config.json'} ({reason}); correct it"
        ) from None
