"""LoRA adapters of the dense model in peft's format, merged into weights as they are read.

peft computes W + s B A with s = alpha / r, or alpha / sqrt(r) for rank-stabilised adapters
(arXiv 2106.09685, 2312.03732). Names of older and newer peft are both read.
"""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from cqil.checkpoint.tensor_reader import TensorReader
from cqil.edits.digests import check_digest
from cqil.edits.fit import check_fits
from cqil.edits.weight_edit import Adapter
from cqil.errors import one_line

CONFIG, WEIGHTS, OLD_WEIGHTS = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
)
_NAME = re.compile(r"^(?:base_model\.model\.)*(model\.layers\..+)\.lora_([AB])(?:\.\w+)?\.weight$")
UNSUPPORTED = ("modules_to_save", "use_dora", "fan_in_fan_out", "layer_replication", "lora_bias")
"""Settings that would change more than W + s B A."""


@dataclass(frozen=True)
class LowRankUpdate:
    """s B A of one weight."""

    a_RI: torch.Tensor
    b_OR: torch.Tensor
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        """That of the weight."""
        return self.b_OR.shape[0], self.a_RI.shape[1]

    def delta(self, dtype: torch.dtype, *index: slice) -> torch.Tensor:
        """Rows and columns of the update, computed in `dtype`."""
        rows, columns = (*index, slice(None), slice(None))[:2]
        return self.scale * (self.b_OR[rows].to(dtype) @ self.a_RI[:, columns].to(dtype))


def adapter_files(folder: Path) -> list[Path]:
    """Configuration and weights. Raises ValueError for a folder that holds no adapter."""
    weights = next(
        (folder / name for name in (WEIGHTS, OLD_WEIGHTS) if (folder / name).is_file()), None
    )
    if weights is None or not (folder / CONFIG).is_file():
        raise ValueError(f"adapter: {folder} holds no {CONFIG} with {WEIGHTS}; give peft's folder")
    return [folder / CONFIG, weights]


def read_settings(folder: Path) -> dict[str, Any]:
    """The adapter's configuration, as far as it says anything: older peft leaves out many keys.

    Raises ValueError for what is no LoRA adapter, or changes more than products of low rank.
    """
    config_file = adapter_files(folder)[0]
    try:
        settings = json.loads(config_file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"adapter: {config_file} is not JSON ({error}); fetch the adapter again"
        ) from None
    kind = settings.get("peft_type") if isinstance(settings, dict) else None
    if kind != "LORA":
        raise ValueError(f"adapter: {folder} is a {kind}; give a LoRA adapter")
    for key in UNSUPPORTED:
        if settings.get(key):
            raise ValueError(f"adapter: {config_file} sets {key}; merge the adapter with peft")
    return settings


def read_adapter(folder: Path) -> dict[str, LowRankUpdate]:
    """Name of a weight of the model -> its update.

    Raises ValueError as `read_settings` does, and for weights that are cut or not LoRA's.
    """
    settings, weights = read_settings(folder), adapter_files(folder)[1]
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in _stored(weights).items():
        found = _NAME.match(name)
        if found is None:
            raise ValueError(f"adapter: {name} of {weights} is no LoRA weight of a layer")
        parts.setdefault(f"{found[1]}.weight", {})[found[2]] = tensor
    return {name: _update(name, pair, settings) for name, pair in parts.items()}


def _stored(weights: Path) -> dict[str, torch.Tensor]:
    try:
        if weights.name == WEIGHTS:
            return load_file(weights)
        return torch.load(weights, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(
            f"adapter: {weights} cannot be read ({one_line(error)}); fetch it again"
        ) from None


def _update(name: str, pair: dict[str, torch.Tensor], settings: dict[str, Any]) -> LowRankUpdate:
    if set(pair) != {"A", "B"}:
        raise ValueError(f"adapter: {name} lacks one of lora_A and lora_B; save the adapter again")
    rank = pair["A"].shape[0]
    if pair["B"].shape[1:] != (rank,):
        raise ValueError(
            f"adapter: lora_A and lora_B of {name} differ in rank; save the adapter again"
        )
    default = settings.get("lora_alpha", 8)  # as peft where the configuration is silent
    alpha = _of_pattern(settings.get("alpha_pattern"), name, default)
    root = rank**0.5 if settings.get("use_rslora") else rank
    return LowRankUpdate(pair["A"], pair["B"], alpha / root)


def _of_pattern(patterns: dict[str, float] | None, name: str, default: float) -> float:
    """The value of the first pattern that ends the name of a module, as peft matches them."""
    module = name.removesuffix(".weight")
    for pattern, value in (patterns or {}).items():
        if re.fullmatch(rf"(.*\.)?({pattern})", module):
            return value
    return default


def adapter_reader(read: TensorReader, edit: Adapter) -> TensorReader:
    """A reader of the weights after the edit; dtype and device are those of `read`.

    Raises ValueError where the adapter is another one than the edit says, or none of this model.
    """
    updates = _updates(edit)
    check_fits(read, edit, {name: update.shape for name, update in updates.items()})

    def merged(name: str, *index: slice) -> torch.Tensor | None:
        weight = read(name, *index)
        if weight is None or name not in updates:
            return weight
        wide = torch.promote_types(weight.dtype, torch.float32)
        delta = updates[name].delta(wide, *index).to(weight.device)
        return (weight.to(wide) + delta).to(weight.dtype)

    return merged


def adapter_names(edit: Adapter) -> frozenset[str]:
    """Names of the weights that the edit changes. Raises ValueError for another adapter."""
    return frozenset(_updates(edit))


def _updates(edit: Adapter) -> dict[str, LowRankUpdate]:
    check_digest(edit, adapter_files(Path(edit.path)))
    return _read_once(edit)


@lru_cache(maxsize=1)
def _read_once(edit: Adapter) -> dict[str, LowRankUpdate]:
    """The adapter, which readers and names of an edit share; equal edits have equal digests."""
    return read_adapter(Path(edit.path))
