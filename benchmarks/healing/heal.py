"""`python -m benchmarks heal`: one step of healing makes a variant of a variant."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from benchmarks.config.healing import AdapterOptions, HealingStep
from benchmarks.healing.healing_text import HealingText
from benchmarks.healing.job import HealingJob
from benchmarks.healing.refit_step import refit_step
from benchmarks.healing.training_step import start_accelerator, training_step
from benchmarks.models.manifest import open_manifest
from benchmarks.models.variants import Variant, read_variant
from benchmarks.results.files import read_json, write_json
from benchmarks.runtime.device import Runtime
from cqil.checkpoint.tensor_reader import DTYPES
from cqil.edits.adapter_file import adapter_files
from cqil.edits.edited_weights import edited_weights
from cqil.edits.released_adapters import adapter_edit
from cqil.edits.weight_edit import Adapter, FileEdit, WeightEdit
from cqil.healing.changed_stages import check_refittable
from cqil.healing.refit_options import RefitOptions
from cqil.healing.training_options import FullOptions, LoraOptions


def heal(
    variant_file: Path, step: HealingStep, text: HealingText, runtime: Runtime, out: Path
) -> None:
    """Writes the manifest of the healed variant to `out`, and its weights to a folder beside it.

    What a step has done is kept while it runs, so that it goes on after an interruption. Raises
    ValueError for a variant that the step cannot heal, and for text that does not suffice.
    """
    variant = read_variant(variant_file)
    edit: WeightEdit | None
    if isinstance(step, AdapterOptions):
        edit = _copied(adapter_edit(step.adapter), out.with_suffix(""))
    else:
        progress = out.with_name(f".{out.stem}")
        edit = _edit(variant, step, text, runtime, out.with_suffix(""), progress)
    if edit is None:  # the first process writes
        return
    data = read_json(variant_file)
    edits = [*data["edits"], edit.to_dict()]
    write_json(out, data | {"variant": out.stem, "edits": edits})
    if not isinstance(step, AdapterOptions):
        shutil.rmtree(progress, ignore_errors=True)


def _copied(adapter: Adapter, folder: Path) -> Adapter:
    """The adapter in a folder beside the manifest, so that the variant keeps it."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in adapter_files(Path(adapter.path)):
        shutil.copyfile(file, folder / file.name)
    return Adapter(str(folder), adapter.sha256, adapter.made)


def _edit(
    variant: Variant,
    step: RefitOptions | LoraOptions | FullOptions,
    text: HealingText,
    runtime: Runtime,
    folder: Path,
    progress: Path,
) -> WeightEdit | None:
    """The edit that the step gives; None on all processes but the first."""
    if variant.depth_rule is not None:
        raise ValueError(
            f"healed: {variant.name} gives each token its own depth, which {step.method} does not "
            "know; heal a variant of one plan"
        )
    if isinstance(step, RefitOptions):
        check_refittable(variant.plan)
    checkpoint, device = open_manifest(variant.manifest), runtime.start()
    window = text.section.window
    checkpoint.check_context(window, f"window: {window} tokens; lower it")
    accelerator = None
    if not isinstance(step, RefitOptions):
        accelerator = start_accelerator(device, runtime.dtype)
        device = str(accelerator.device)
    windows = text.windows(
        checkpoint.tokenizer,
        step.tokens,
        runtime.seed,
        used=_used_windows(variant),
        repeat=accelerator is not None,
    )
    dense = checkpoint.load_dense(DTYPES[runtime.dtype], device)
    request = {
        "model": variant.manifest["sha256"],
        "plan": variant.plan.to_dict(),
        "edits": [edit.to_dict() | {"made": None} for edit in variant.edits],
        "data": windows.training.digest,
        "window": window,
        "seed": runtime.seed,
        "dtype": runtime.dtype,
        **step.model_dump(mode="json"),
    }
    job = HealingJob(
        name=folder.name,
        base=variant.manifest["name"],
        dense=dense,
        plan=variant.plan,
        edited=edited_weights(dense, variant.edits),
        windows=windows,
        prompt=window // 2 if isinstance(step, RefitOptions) else step.prompt_tokens(window),
        runtime=runtime,
        folder=folder,
        progress=progress,
        request=json.loads(json.dumps(request)),
    )
    if isinstance(step, RefitOptions):
        return refit_step(job, step)
    assert accelerator is not None
    return training_step(job, step, accelerator)


def _used_windows(variant: Variant) -> int:
    """Training windows of the steps before."""
    healed = [edit for edit in variant.edits if isinstance(edit, FileEdit)]
    return sum(edit.made.get("windows", 0) for edit in healed)
