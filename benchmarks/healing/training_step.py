"""Healing by training; a checkpoint is kept every minute, and training goes on from it."""

from __future__ import annotations

import math
import shutil
import sys
import time
from typing import Any

import torch
from accelerate import Accelerator

from benchmarks.healing.job import WEIGHTS, HealingJob, save_weights
from benchmarks.results.code_fingerprint import fingerprint
from benchmarks.results.files import written_aside
from benchmarks.runtime.progress import Progress
from cqil.edits.adapter_file import adapter_files
from cqil.edits.weight_edit import Adapter, Refit
from cqil.healing.student import Student, full_student, lora_student
from cqil.healing.trained_files import full_weights, save_adapter
from cqil.healing.training import Trainer
from cqil.healing.training_options import FullOptions, LoraOptions
from cqil.healing.training_state import TrainingCheckpoint, TrainingPoint

KEEP_S = 60
"""Seconds between checkpoints."""
MEASURED = 10
"""How often held-out text is measured, evenly spaced."""


def start_accelerator(device: str, dtype: str) -> Accelerator:
    """The devices that train together.

    Raises ValueError for float16, whose gradients vanish.
    """
    if dtype == "float16":
        raise ValueError("dtype: float16 loses gradients; train in bfloat16 or float32")
    return Accelerator(cpu=device == "cpu")


def training_step(
    job: HealingJob, options: LoraOptions | FullOptions, accelerator: Accelerator
) -> Refit | Adapter | None:
    """Trains, writes the weights, and returns the edit; None on all processes but the first."""
    torch.manual_seed(job.runtime.seed)  # of the adapter's first weights
    student: Student
    if isinstance(options, LoraOptions):
        student = lora_student(job.dense, job.plan, job.edited, options)
    else:
        student = full_student(job.dense, job.plan, job.edited, options)
    trainer = Trainer(
        job.dense,
        student,
        job.windows.training,
        job.windows.held_out,
        options,
        accelerator,
        job.runtime.seed,
    )
    kept = _Checkpoints(job, accelerator.is_main_process)
    label = f"{options.method} {job.name}"
    with Progress(label, trainer.steps, "steps") as progress:

        def keep(checkpoint: TrainingCheckpoint) -> None:
            point = checkpoint.points[-1]
            kept.write(checkpoint, last=point.step == trainer.steps)
            if accelerator.is_main_process:
                progress.to(point.step)
                print(f"{label}: {_line(point)}", file=sys.stderr, flush=True)

        course = trainer.train(keep, kept.read(), every=math.ceil(trainer.steps / MEASURED))
    if not accelerator.is_main_process:
        return None
    if isinstance(options, LoraOptions):
        shutil.rmtree(job.folder, ignore_errors=True)
        save_adapter(student, options, job.base, job.folder)
        return job.edit(Adapter, job.folder, adapter_files(job.folder), course)
    file = job.folder / WEIGHTS
    save_weights(full_weights(student, job.dense.dtype), file)
    return job.edit(Refit, file, [file], course)


def _line(point: TrainingPoint) -> str:
    rate = point.tokens / point.seconds if point.seconds else 0
    return (
        f"step {point.step}, {point.tokens} tokens, loss {point.loss:.4f}, held-out text "
        f"{point.held_out:.4f} nats a token, {rate:.0f} tokens/s"
    )


class _Checkpoints:
    """The last checkpoint of one request; that of another is left alone."""

    def __init__(self, job: HealingJob, writes: bool) -> None:
        self.file, self.writes = job.progress / "checkpoint.pt", writes
        self.request = job.request | {"code": fingerprint("cqil.healing.training")}
        self._written = time.monotonic()

    def write(self, checkpoint: TrainingCheckpoint, last: bool) -> None:
        if not self.writes or (not last and time.monotonic() - self._written < KEEP_S):
            return
        with written_aside(self.file) as aside:
            torch.save({"request": self.request} | checkpoint.to_dict(), aside)
        self._written = time.monotonic()

    def read(self) -> TrainingCheckpoint | None:
        """None where there is none of this request."""
        if not self.file.is_file():
            return None
        data: dict[str, Any] = torch.load(self.file, map_location="cpu", weights_only=True)
        return TrainingCheckpoint.from_dict(data) if data.pop("request") == self.request else None
