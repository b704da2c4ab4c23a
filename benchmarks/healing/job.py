"""What a step of healing works on, and the edit that it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

from benchmarks.healing.healing_text import HealingWindows
from benchmarks.results.files import written_aside
from benchmarks.results.hardware import hardware
from benchmarks.runtime.device import Runtime
from cqil.edits.digests import files_digest
from cqil.edits.weight_edit import Adapter, Refit
from cqil.healing.training_state import TrainingPoint
from cqil.healing.window_states import cross_entropy, scored_positions
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.plan import LayerPlan, dense_plan

WEIGHTS = "weights.safetensors"
"""File of whole weights in the folder of a step."""


@dataclass(frozen=True)
class HealingJob:
    """A plan over weights, and the text that heals it."""

    name: str
    base: str
    """Name of the dense model."""
    dense: LlamaForCausalLM
    plan: LayerPlan
    edited: Mapping[str, torch.Tensor]
    """Weights that differ from the dense model's before the step."""
    windows: HealingWindows
    prompt: int
    """Tokens of a window that are prompt, where the plan has its own prefill."""
    runtime: Runtime
    folder: Path
    """Where the weights go."""
    progress: Path
    """Folder of what is kept until the step is done, so that it can go on."""
    request: dict[str, Any]
    """All that decides what the step gives; what was kept of another request is left alone."""

    def held_out_loss(self, model: PlannedLlamaForCausalLM, scored: slice = slice(None)) -> float:
        """Cross-entropy of the held-out windows, in nats; `scored` as of `cross_entropy`."""
        batches = (
            torch.from_numpy(window)[None].to(model.device) for window in self.windows.held_out
        )
        total, count = cross_entropy(model, batches, self.prompt, scored)
        return total / count

    def dense_loss(self) -> float:
        """That of the dense model, on the tokens that the plan is measured on."""
        dense = PlannedLlamaForCausalLM.from_dense(self.dense, dense_plan(self.plan.num_layers))
        scored = scored_positions(self.plan, self.windows.training.window, self.prompt)
        return self.held_out_loss(dense, scored)

    def edit(
        self,
        kind: type[Refit] | type[Adapter],
        path: Path,
        files: Sequence[Path],
        course: Sequence[TrainingPoint],
        **found: Any,
    ) -> Refit | Adapter:
        """The edit of weights that were written, with how they were made."""
        made = {
            **self.request,
            "tokens": course[-1].tokens,
            "windows": len(self.windows.training),
            "overlapping": self.windows.overlapping,
            "seconds": course[-1].seconds,
            "dense_held_out": self.dense_loss(),
            "course": [asdict(point) for point in course],
            "device": str(self.dense.device),
            "threads": self.runtime.threads,
            "hardware": hardware().model_dump(),
            **found,
        }
        return kind(str(path), files_digest(files), made)


def save_weights(weights: dict[str, torch.Tensor], file: Path) -> None:
    """Writes tensors as safetensors."""
    with written_aside(file) as aside:
        save_file({name: weight.cpu().contiguous() for name, weight in weights.items()}, aside)
