"""What of a configuration does not fit its model, found before any job. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from benchmarks.config.assets import ASSETS
from benchmarks.config.healing import without_healing
from benchmarks.config.latency_budget import budget_of
from benchmarks.config.run_config import RunConfig, parse_method


class ModelSize(NamedTuple):
    """What bounds plans and ranks."""

    layers: int
    heads: int
    """Attention heads of a layer."""


def check_fits_model(config: RunConfig) -> None:
    """Raises ValueError with one line for a folder that is not there, and for options that ask for
    more layers or ranks than the model has. A hub's model is only known once it is fetched.
    """
    if (size := model_size(config.model)) is None:
        return
    for name, options in config.variants.items():
        if budget_of(without_healing(options)) is None:
            try:
                parse_method(f"variants.{name}", options).check_layers(size.layers)
            except ValueError as error:
                raise ValueError(f"config: variants.{name}.{error}") from None
    _check_ranks(config, size.heads)


def _check_ranks(config: RunConfig, heads: int) -> None:
    """So many ranks must have something to do: layers of a group, times the heads of a layer."""
    methods = (parse_method(name, options) for name, options in config.variants.items())
    group_size = max(getattr(method, "group_size", 1) for method in methods)
    for ranks in config.latency.ranks if config.latency else []:
        if ranks > group_size * heads:
            raise ValueError(
                f"config: latency.ranks: {ranks}, but groups of at most {group_size} layers with "
                f"{heads} attention heads keep {group_size * heads} ranks busy; use fewer"
            )


def model_size(model: str) -> ModelSize | None:
    """Of an embedded model or of a folder; None for a hub id. Raises ValueError for neither."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _read_size(model, folder / "config.json")
    if model in ASSETS["models"]:
        entry = ASSETS["models"][model]
        return ModelSize(entry["layers"], entry["heads"])
    if model.startswith(("/", "~", ".")) or model.count("/") != 1:
        raise ValueError(
            f"config: model: {model!r} is no folder here; give a folder, a hub id such as "
            f"huggyllama/llama-7b, or one of {', '.join(sorted(ASSETS['models']))}"
        )
    return None


def _read_size(model: str, path: Path) -> ModelSize:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return ModelSize(int(data["num_hidden_layers"]), int(data["num_attention_heads"]))
    except FileNotFoundError:
        raise ValueError(
            f"config: model: {model} holds no config.json; give the folder of a checkpoint"
        ) from None
    except (OSError, ValueError, TypeError, KeyError):
        raise ValueError(
            f"config: model: {path} does not say num_hidden_layers and num_attention_heads; give "
            "the folder of a LLaMA checkpoint"
        ) from None
