"""`python -m benchmarks plan`: one rule over one model, from text to the manifest of a plan.

It does what the workflow does for a variant: measure similarity, search, choose. Results of each
part lie in a folder beside the manifest, so that a run that was interrupted resumes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.config.latency_budget import LATENCY_BUDGET
from benchmarks.config.run_config import SearchSection, parse_method
from benchmarks.cost_model.depth_for_budget import resolve_depth
from benchmarks.data.texts import text_digest, write_documents
from benchmarks.models.prepare_model import prepare_model
from benchmarks.models.variants import write_variant
from benchmarks.results.files import read_json, sha256_file, write_json
from benchmarks.runtime.device import Runtime
from benchmarks.search.calibration import write_search, write_similarity
from cqil.plan import LayerPlan

DOCUMENT_CHARACTERS = 8192
"""Minimum length of a document cut from plain text: more than the tokens of usual windows."""


def make_plan(
    options: dict[str, Any],
    model: str,
    texts: Sequence[Path],
    out: Path,
    *,
    settings: SearchSection,
    runtime: Runtime,
) -> LayerPlan:
    """Chooses a plan, and writes its manifest to `out`; returns the plan.

    `options`: those of the rule, with its target; `model`: a manifest, a directory or a hub id;
    `settings`: size of the calibration text, and how a search scores it. Raises ValueError for
    options or files that do not fit.
    """
    parse_method("plan", options)  # checks them before the model is fetched
    folder, start = out.with_suffix(""), time.monotonic()
    manifest = model_manifest(model, folder)
    options, fit = resolve_depth(options, read_json(manifest))
    method = parse_method("plan", options)
    document_files = [_document_file(path, folder / "texts") for path in texts]
    documents, window = settings.documents, settings.window
    similarity = search = None
    if method.needs_similarity:
        similarity = folder / "similarity.json"
        _ensure_similarity(manifest, document_files, documents, window, runtime, similarity)
    if method.search_key is not None:
        search = folder / "search" / f"{method.search_key}.json"
        # Single answers are stored, so that a finished search is only read again.
        write_search(options, manifest, document_files, settings, runtime, search)
    plan = write_variant(out.stem, options, manifest, similarity, search, out, fit)
    calibration = {
        "texts": {path.name: sha256_file(path) for path in texts},
        "documents": documents,
        "window": window,
        "tokens": documents * window * len(texts) if similarity or search else 0,
        "seconds": round(time.monotonic() - start, 1),
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
    """The options of a rule with the targets that are not None.

    `budget`: `ms` and `machine` of a latency budget; no budget if `ms` is None. Raises ValueError
    for a budget without a machine.
    """
    targets: dict[str, Any] = {"depth": depth, "speedup": speedup}
    if budget["ms"] is not None:
        if budget["machine"] is None:
            raise ValueError("machine: missing; a latency budget needs a preset or a probe file")
        targets[LATENCY_BUDGET] = budget
    return options | {key: value for key, value in targets.items() if value is not None}


def model_manifest(model: str, folder: Path) -> Path:
    """`model` itself if it is a manifest, else a new manifest of the directory or hub id."""
    if Path(model).is_file():
        return Path(model)
    prepare_model(model, None, folder / "model")
    return folder / "model" / "manifest.json"


def _document_file(path: Path, folder: Path) -> Path:
    """A file of calibration documents, as JSON lines.

    It is `path` itself if that is a .jsonl file of the workflow; plain text is cut into documents
    that are long enough to fill a window. Raises ValueError for a file that does not exist.
    """
    if not path.is_file():
        raise ValueError(f"text: {path} is no file; give plain text, or documents as JSON lines")
    if path.suffix == ".jsonl":
        return path
    rows = []
    for document in _split_text(path.read_text(encoding="utf-8")):
        digest = text_digest(document)
        rows.append({"sha256": digest, "part": "calibration", "text": document})
    out = folder / f"{path.stem}.jsonl"
    write_documents(out, rows)
    return out


def _split_text(text: str) -> list[str]:
    """Consecutive documents of a text, each of whole paragraphs."""
    documents, current = [], ""
    for paragraph in text.split("\n\n"):
        current += paragraph + "\n\n"
        if len(current) >= DOCUMENT_CHARACTERS:
            documents.append(current.strip())
            current = ""
    return [*documents, current.strip()] if current.strip() else documents


def _ensure_similarity(
    manifest: Path, texts: list[Path], documents: int, window: int, runtime: Runtime, out: Path
) -> None:
    """Measures similarity, unless `out` holds the measurement of this model and text."""
    request = _calibration_request(manifest, texts, documents, window)
    request_file = out.with_suffix(".request.json")
    if out.exists() and request_file.exists() and read_json(request_file) == request:
        return
    write_similarity(manifest, texts, documents, window, runtime, out)
    write_json(request_file, request)


def _calibration_request(
    manifest: Path, texts: list[Path], documents: int, window: int
) -> dict[str, Any]:
    """The model and the text that a measurement is made from."""
    digests = {path.name: sha256_file(path) for path in texts}
    model = read_json(manifest)["sha256"]
    return {"model": model, "texts": digests, "documents": documents, "window": window}
