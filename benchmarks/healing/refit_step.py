"""Healing by refit; each stage's weights are kept as they are found."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from benchmarks.healing.job import WEIGHTS, HealingJob, save_weights
from benchmarks.results.code_fingerprint import fingerprint
from benchmarks.results.files import read_json, write_json
from benchmarks.runtime.progress import Progress
from cqil.edits.weight_edit import Adapter, Refit
from cqil.healing.changed_stages import stages_in_scope
from cqil.healing.planned_weights import planned_with
from cqil.healing.refit import refit
from cqil.healing.refit_options import RefitOptions
from cqil.healing.stage_streams import StageFit
from cqil.healing.training_state import TrainingPoint


def refit_step(job: HealingJob, options: RefitOptions) -> Refit | Adapter:
    """Refits the plan, writes the new weights, and returns the edit."""
    stages = _StageFiles(job.progress, job.request | {"code": fingerprint("cqil.healing.refit")})
    earlier = stages.read()
    before = job.held_out_loss(planned_with(job.dense, job.plan, job.edited))
    started = time.monotonic() - stages.seconds
    fits: list[StageFit] = []
    taken: list[bool] = []
    total = len(stages_in_scope(job.plan, options.scope))
    with (
        Progress(f"refit {job.name}", total, "stages") as fitting,
        Progress(f"refit {job.name}", options.loss_steps, "steps on the loss") as stepping,
    ):

        def done(fit: StageFit) -> None:
            if fit.stage not in earlier:
                stages.write(fit, time.monotonic() - started)
            fits.append(fit)
            fitting.update()
            stepping.reset()  # its clock begins with the first step

        def stepped(was_taken: bool) -> None:
            taken.append(was_taken)
            stepping.update()

        tokens_BT = torch.stack([torch.from_numpy(window) for window in job.windows.training])
        weights = refit(job.dense, job.plan, tokens_BT, options, done, earlier, job.edited, stepped)
    seconds = time.monotonic() - started
    after = job.held_out_loss(planned_with(job.dense, job.plan, {**job.edited, **weights}))
    course = [
        TrainingPoint(step=0, tokens=0, seconds=0.0, loss=None, held_out=before),
        TrainingPoint(1, len(tokens_BT) * job.windows.training.window, seconds, None, after),
    ]
    file = job.folder / WEIGHTS
    save_weights(weights, file)
    return job.edit(
        Refit,
        file,
        [file],
        course,
        stage_ridges={str(fit.stage): fit.ridge for fit in fits},
        stage_left={str(fit.stage): fit.left for fit in fits},
        loss_steps_taken=sum(taken),
    )


class _StageFiles:
    """The weights of finished stages of one request; those of another are left alone."""

    def __init__(self, folder: Path, request: dict[str, Any]) -> None:
        self.folder, self.request = folder, request
        self.seconds = 0.0
        """That the finished stages took."""

    def write(self, fit: StageFit, seconds: float) -> None:
        file = self.folder / f"stage-{fit.stage}.safetensors"
        save_weights(fit.weights, file)
        # The record comes last: a stage without one is not finished.
        found = {"ridge": fit.ridge, "left": fit.left, "seconds": seconds}
        write_json(file.with_suffix(".json"), {"request": self.request} | found)

    def read(self) -> dict[int, StageFit]:
        """Finished stages by number."""
        fits = {}
        for record_file in self.folder.glob("stage-*.json"):
            record, stage = read_json(record_file), int(record_file.stem.removeprefix("stage-"))
            if record["request"] == self.request:
                weights = load_file(record_file.with_suffix(".safetensors"))
                fits[stage] = StageFit(stage, weights, record["ridge"], record["left"])
                self.seconds = max(self.seconds, record["seconds"])
        return dict(sorted(fits.items()))
