"""LoRA adapters that others trained: those of CQIL's authors by name, folders and hub ids.

The released adapters (`lora_weights` of github.com/Photooon/CQIL, whose names these are) hold rank
32, alpha 32 on the seven linear layers of every decoder layer, in the format of peft 0.6.2. Their
configurations do not name a base model; the repository does. Each was distilled from its base under
one plan, and is of use under that plan alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cqil.checkpoint.locate_checkpoint import locate_folder
from cqil.edits.adapter_file import adapter_files, read_settings
from cqil.edits.digests import files_digest
from cqil.edits.weight_edit import Adapter
from cqil.plan import LayerPlan, uniform_plan

HUB_FILES = ["adapter_config.json", "adapter_model.*"]
"""What is fetched of a hub repository."""


@dataclass(frozen=True)
class ReleasedAdapter:
    """Where an adapter lies, and what it was trained for."""

    hub_id: str
    base_model: str
    """Hub id of the dense model."""
    plan: LayerPlan


LLAMA, QWEN = "huggyllama/llama-7b", "Qwen/Qwen1.5-14B"
RELEASED: dict[str, ReleasedAdapter] = {
    "LLaMA-7B-S12-E30-P2-D0": ReleasedAdapter(
        "LongWay89/LLaMA-7B-LoRA-CQIL-S12-E30-P2-D0", LLAMA, uniform_plan(32, 12, 30, 2)
    ),
    # The released code adds bypassed attention to the residual too, so the adapter was trained so.
    "LLaMA-7B-S12-E30-P2-D1": ReleasedAdapter(
        "LongWay89/LLaMA-7B-LoRA-CQIL-S12-E30-P2-D1",
        LLAMA,
        uniform_plan(32, 12, 30, 2, bypass=1, target="ffn+residual"),
    ),
    # The README's table calls this one D1; the weights are named D0.
    "LLaMA-7B-S14-E30-P4-D0": ReleasedAdapter(
        "LongWay89/LLaMA-7B-LoRA-CQIL-S14-E30-P4-D0", LLAMA, uniform_plan(32, 14, 30, 4)
    ),
    # Listed for completeness: its base is no LLaMA, which this suite refuses to open.
    "Qwen1.5-14B-S17-E37-P2": ReleasedAdapter(
        "LongWay89/Qwen1.5-14B-LoRA-CQIL-S17-E37-P2", QWEN, uniform_plan(40, 17, 37, 2)
    ),
}


def adapter_edit(source: str) -> Adapter:
    """The edit that merges an adapter: a released name, a folder in peft's format, or a hub id.

    `made` tells where it is from, and what its configuration says. Raises ValueError with one line
    where there is no such adapter, the hub is out of reach, or it is more than LoRA.
    """
    folder = _locate(source)
    settings, released = read_settings(folder), RELEASED.get(source)
    made: dict[str, Any] = {
        "method": "adapter",
        "source": source,
        "hub_id": _hub_id(source),
        "base_model": settings.get("base_model_name_or_path"),
        "r": settings.get("r"),
        "lora_alpha": settings.get("lora_alpha"),
    }
    if released is not None:
        made |= {"base_model": released.base_model, "trained_for": released.plan.slug}
    return Adapter(str(folder), files_digest(adapter_files(folder)), made)


def _locate(source: str) -> Path:
    if source in RELEASED:
        return locate_folder(f"adapter: {source}", RELEASED[source].hub_id, HUB_FILES)
    if "/" not in source and not Path(source).expanduser().exists():
        raise ValueError(
            f"adapter: {source!r} is no folder and was not released; give a folder, a hub id "
            f"(OWNER/NAME) or one of {', '.join(RELEASED)}"
        )
    return locate_folder("adapter", source, HUB_FILES)


def _hub_id(source: str) -> str | None:
    """That of a released name, or the source itself; None for a folder."""
    if source in RELEASED:
        return RELEASED[source].hub_id
    return None if Path(source).expanduser().is_dir() else source
