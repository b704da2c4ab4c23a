"""`python -m benchmarks plan`: one rule over one model, from text to a plan's manifest.

It does what the workflow does for a variant: similarity, the rule's search, the choice. What was
found lies in a folder beside the manifest, so a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.config.latency_budget import LATENCY_BUDGET
from benchmarks.config.run_config import parse_method
from benchmarks.cost_model.depth_for_budget import resolve_depth
from benchmarks.models.prepare_model import prepare_model
from benchmarks.models.variants import write_variant
from benchmarks.results.files import read_json, sha256_file, write_atomically, write_json
from benchmarks.runtime.device import Runtime
from benchmarks.search.calibration import write_search, write_similarity
from cqil.plan import LayerPlan


def make_plan(
    options: dict[str, Any],
    model: str,
    texts: Sequence[Path],
    out: Path,
    *,
    documents: int,
    window: int,
    grid: int,
    runtime: Runtime,
) -> LayerPlan:
    """Writes the manifest to `out`, and what led to it into the folder of its name."""
    parse_method("plan", options)  # before the model is fetched
    work, began = out.with_suffix(""), time.monotonic()
    manifest = model_manifest(model, work)
    options, fit = resolve_depth(options, read_json(manifest))
    method = parse_method("plan", options)
    prepared = [_documents(path, work / "texts") for path in texts]
    similarity = search = None
    if method.needs_similarity:
        similarity = work / "similarity.json"
        asked = _calibration_request(manifest, prepared, documents, window)
        if not _is_answer_to(similarity, asked):
            write_similarity(manifest, prepared, documents, window, runtime, similarity)
            write_json(_request_file(similarity), asked)
    if method.search_key is not None:
        search = work / "search" / f"{method.search_key}.json"
        # Its single answers are stored, so a finished search is only read again.
        write_search(options, manifest, prepared, documents, window, grid, runtime, search)
    plan = write_variant(out.stem, options, manifest, similarity, search, out, fit)
    calibration = {
        "texts": {path.name: sha256_file(path) for path in texts},
        "documents": documents,
        "window": window,
        "tokens": documents * window * len(texts) if similarity or search else 0,
        "seconds": round(time.monotonic() - began, 1),
    }
    write_json(out, read_json(out) | {"calibration": calibration})
    if fit is not None:
        print(
            f"depth {fit['depth']}: {fit['predicted_ms']:.3g} ms a token predicted, "
            f"dense {fit['dense_ms']:.3g} ms (projected)",
            file=sys.stderr,
        )
    return plan


def target_options(
    options: dict[str, Any],
    *,
    depth: int | None,
    speedup: float | None,
    budget: dict[str, Any],
) -> dict[str, Any]:
    """The rule's options with the target that is asked for; `budget`: None where not given."""
    given = {"depth": depth, "speedup": speedup}
    if budget["ms"] is not None:
        if budget["machine"] is None:
            raise ValueError("machine: missing; a latency budget needs a preset or a probe file")
        given[LATENCY_BUDGET] = budget
    return options | {key: value for key, value in given.items() if value is not None}


def model_manifest(model: str, work: Path) -> Path:
    """`model` itself where it is a manifest; else one of the directory or hub id."""
    if Path(model).is_file():
        return Path(model)
    prepare_model(model, None, work / "model")
    return work / "model" / "manifest.json"


def _documents(path: Path, folder: Path) -> Path:
    """The text as calibration documents; files of the workflow are taken as they are.

    Of plain text, paragraphs are joined until a part is long enough to fill a window.
    Raises ValueError where there is no such file.
    """
    if not path.is_file():
        raise ValueError(f"text: {path} is no file; give plain text, or documents as JSON lines")
    if path.suffix == ".jsonl":
        return path
    rows = []
    for part in _parts(path.read_text(encoding="utf-8")):
        digest = hashlib.sha256(part.encode()).hexdigest()
        rows.append({"sha256": digest, "part": "calibration", "text": part})
    out = folder / f"{path.stem}.jsonl"
    lines = [json.dumps(row) for row in sorted(rows, key=lambda row: row["sha256"])]
    write_atomically(out, "\n".join(lines) + "\n")
    return out


PART_CHARACTERS = 8192
"""More than the tokens of any usual window."""


def _parts(text: str) -> list[str]:
    """Consecutive parts, cut between paragraphs once they are long."""
    parts, current = [], ""
    for paragraph in text.split("\n\n"):
        current += paragraph + "\n\n"
        if len(current) >= PART_CHARACTERS:
            parts.append(current.strip())
            current = ""
    return [*parts, current.strip()] if current.strip() else parts


def _calibration_request(
    manifest: Path, texts: list[Path], documents: int, window: int
) -> dict[str, Any]:
    digests = {path.name: sha256_file(path) for path in texts}
    model = read_json(manifest)["sha256"]
    return {"model": model, "texts": digests, "documents": documents, "window": window}


def _request_file(path: Path) -> Path:
    return path.with_suffix(".asked.json")


def _is_answer_to(path: Path, asked: dict[str, Any]) -> bool:
    return (
        path.exists() and _request_file(path).exists() and read_json(_request_file(path)) == asked
    )
