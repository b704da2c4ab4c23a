"""`python -m benchmarks heal`: a variant whose weights are refitted on calibration text.

Each stage's weights are stored as they are found, so that a run that was interrupted resumes.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from benchmarks.data.token_windows import packed_windows
from benchmarks.models.manifest import open_manifest
from benchmarks.models.variants import read_variant
from benchmarks.results.code_fingerprint import fingerprint
from benchmarks.results.files import read_json, sha256_file, write_json, written_aside
from benchmarks.results.hardware import hardware
from benchmarks.runtime.device import Runtime
from benchmarks.runtime.progress import Progress
from cqil.checkpoint.tensor_reader import DTYPES
from cqil.edits.digests import files_digest
from cqil.edits.weight_edit import Refit
from cqil.healing.refit import RefitOptions, check_plan, refit, refitted_stages
from cqil.healing.stage_streams import StageFit


def heal(
    variant_file: Path,
    texts: list[Path],
    tokens: int,
    window: int,
    options: RefitOptions,
    runtime: Runtime,
    out: Path,
) -> None:
    """Writes the manifest of the healed variant to `out`, and its weights beside it.

    `tokens`: of all calibration texts together. Raises ValueError for a variant that has edits or a
    plan that weights cannot heal, and where the texts hold fewer tokens.
    """
    variant = read_variant(variant_file)
    if variant.edits:
        raise ValueError(f"variant: {variant_file} has edits already; heal one without")
    check_plan(variant.plan)
    checkpoint, start = open_manifest(variant.manifest), time.monotonic()
    checkpoint.check_context(window, f"window: {window} tokens; lower it")
    count = max(2, tokens // window)
    windows = packed_windows(
        checkpoint.tokenizer, texts, "calibration", count, window, runtime.seed
    )
    device = runtime.start()
    dense = checkpoint.load_dense(DTYPES[runtime.dtype], device)
    request = {
        "model": variant.manifest["sha256"],
        "plan": variant.plan.to_dict(),
        "texts": {path.stem: sha256_file(path) for path in texts},
        "tokens": count * window,
        "window": window,
        "seed": runtime.seed,
        "dtype": runtime.dtype,
        **asdict(options),
    }
    stages = _StageFiles(out.with_suffix(""), request | {"code": fingerprint(__name__)})
    earlier = stages.read()
    fits: list[StageFit] = []
    total = len(refitted_stages(variant.plan, options.scope))
    with Progress(f"refit {out.stem}", total, "stages") as progress:

        def done(fit: StageFit) -> None:
            if fit.stage not in earlier:
                stages.write(fit)
            fits.append(fit)
            progress.update()

        weights = refit(dense, variant.plan, torch.tensor(windows), options, done, earlier)
    made = request | {
        "method": "refit",
        "ridges": {str(fit.stage): fit.ridge for fit in fits},
        "left": {str(fit.stage): fit.left for fit in fits},
        "seconds": round(time.monotonic() - start, 1),
        "threads": runtime.threads,
        "device": device,
        "hardware": hardware().model_dump(),
    }
    file = out.with_suffix(".safetensors")
    _save(weights, file)
    edit = Refit(str(file), files_digest([file]), made)
    data = read_json(variant_file) | {"variant": out.stem, "edits": [edit.to_dict()]}
    write_json(out, data)


def _save(weights: dict[str, torch.Tensor], file: Path) -> None:
    with written_aside(file) as aside:
        save_file({name: weight.cpu().contiguous() for name, weight in weights.items()}, aside)


class _StageFiles:
    """The weights of finished stages of one request; those of another are left alone."""

    def __init__(self, folder: Path, request: dict[str, Any]) -> None:
        self.folder, self.request = folder, json.loads(json.dumps(request))

    def write(self, fit: StageFit) -> None:
        file = self.folder / f"stage-{fit.stage}.safetensors"
        _save(fit.weights, file)
        # The record comes last: a stage without one is not finished.
        record = {"request": self.request, "ridge": fit.ridge, "left": fit.left}
        write_json(file.with_suffix(".json"), record)

    def read(self) -> dict[int, StageFit]:
        """Finished stages by number."""
        fits = {}
        for record_file in self.folder.glob("stage-*.json"):
            record, stage = read_json(record_file), int(record_file.stem.removeprefix("stage-"))
            if record["request"] == self.request:
                weights = load_file(record_file.with_suffix(".safetensors"))
                fits[stage] = StageFit(stage, weights, record["ridge"], record["left"])
        return dict(sorted(fits.items()))
