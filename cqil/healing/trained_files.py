"""Trained weights as files that edits read: an adapter in peft's format, or whole weights."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import save_file

from cqil.checkpoint.tensor_names import in_layer
from cqil.edits.adapter_file import WEIGHTS
from cqil.healing.student import Student
from cqil.healing.training_options import LoraOptions


def save_adapter(student: Student, options: LoraOptions, base: str, folder: Path) -> None:
    """Writes the adapter of the dense model: layers have the numbers that they have there.

    `base`: name of the dense model, for the adapter's configuration.
    """
    names = student.dense_names()
    weights = {
        f"base_model.model.{names[name].replace('.default.', '.')}": _stored(weight)
        for name, weight in student.trained.items()
    }
    layers = {place[0] for place in map(in_layer, names.values()) if place is not None}
    folder.mkdir(parents=True, exist_ok=True)
    LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,  # type: ignore[arg-type]
        lora_dropout=options.dropout,
        target_modules=list(options.targets),
        layers_to_transform=sorted(layers),
        base_model_name_or_path=base,
        task_type="CAUSAL_LM",
        inference_mode=True,
    ).save_pretrained(str(folder))
    save_file(weights, folder / WEIGHTS)


def full_weights(student: Student, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Name in the dense model -> trained weight."""
    names = student.dense_names()
    return {names[name]: _stored(weight).to(dtype) for name, weight in student.trained.items()}


def _stored(weight: torch.Tensor) -> torch.Tensor:
    return weight.detach().cpu().contiguous()
