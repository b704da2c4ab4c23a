"""How a variant is healed: the `healed` key among its options, one step or a list. No torch."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import Field

from benchmarks.config.sections import ConfigSection, Count
from benchmarks.config.texts_section import TextsSection
from benchmarks.config.validation_errors import validated
from cqil.errors import check_known
from cqil.healing.refit_options import RefitOptions
from cqil.healing.training_options import FullOptions, LoraOptions

HEALED = "healed"
"""Key of the steps among a variant's options."""


class AdapterOptions(ConfigSection):
    """An adapter that others have trained."""

    method: Literal["adapter"]
    adapter: str = Field(
        min_length=1, description="Released name, folder in peft's format, or hub id"
    )


HealingStep = RefitOptions | LoraOptions | FullOptions | AdapterOptions
STEPS: dict[str, type[HealingStep]] = {
    "refit": RefitOptions,
    "lora": LoraOptions,
    "full": FullOptions,
    "adapter": AdapterOptions,
}
"""Method of a step -> its options."""


class HealingSection(TextsSection):
    """The text that all healing of a run reads: calibration documents of texts, or a dataset."""

    window: int = Field(default=512, ge=16, description="Tokens of a window; windows are packed")
    dataset: str | None = Field(
        default=None,
        description="Read in place of texts: a tokenised `datasets` folder, or a hub set by name",
    )
    split: str = Field(default="train", description="Of the dataset")
    held_out: Count = Field(default=16, description="Windows that measure and are not trained on")
    processes: Count = Field(default=1, description="Devices that train together")


def healing_steps(options: dict[str, Any]) -> tuple[HealingStep, ...]:
    """The steps that heal a variant, in their order; none without the key.

    Raises ValueError with one line that starts with the key.
    """
    given = options.get(HEALED, [])
    steps = given if isinstance(given, list) else [given]
    if HEALED in options and not steps:
        raise ValueError(f"{HEALED}: names no step; give one, or leave the key out")
    return tuple(parse_step(step) for step in steps)


def parse_step(step: Any) -> HealingStep:
    """One step. Raises ValueError with one line that starts with the key."""
    if not isinstance(step, dict):
        raise ValueError(f"{HEALED}: {step!r} is no step; write {{method: ..., tokens: ...}}")
    check_known(f"{HEALED}.method", step.get("method"), STEPS)
    return validated(STEPS[step["method"]], step, HEALED)


def parse_data(data: dict[str, Any]) -> HealingSection:
    """The text of a step. Raises ValueError with one line that starts with `data`."""
    return validated(HealingSection, data, "data")


def without_healing(options: dict[str, Any]) -> dict[str, Any]:
    """The options of the variant before it is healed."""
    return {key: value for key, value in options.items() if key != HEALED}


def healing_name(options: dict[str, Any], steps: int) -> str:
    """File name of what the first `steps` steps give: variants that share them share the file."""
    shared = [without_healing(options), [_plain(step) for step in healing_steps(options)[:steps]]]
    digest = hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:8]
    return f"{options['method']}-{healing_steps(options)[steps - 1].method}-{digest}"


def _plain(step: HealingStep) -> dict[str, Any]:
    return step.model_dump(mode="json")
