"""Measurements before plans are chosen: layer similarity, and the searches of methods.

Both read calibration documents only; scores are measured on other documents.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.config.run_config import SearchSection, parse_method
from benchmarks.data.token_windows import TokenWindow, text_windows
from benchmarks.models.manifest import open_manifest, read_manifest
from benchmarks.results.code_fingerprint import fingerprint
from benchmarks.results.files import sha256_file, write_json
from benchmarks.runtime.device import Runtime
from benchmarks.runtime.errors import check_finite_scores
from benchmarks.runtime.progress import Progress
from benchmarks.search.calibration_evaluator import CalibrationEvaluator
from cqil.checkpoint.tensor_reader import DTYPES
from cqil.modeling.layer_similarity import measure_similarity


def write_similarity(
    model: Path, texts: list[Path], documents: int, window: int, runtime: Runtime, out: Path
) -> None:
    """Measures layer similarity in one pass over the calibration windows.

    Writes both matrices with a description of the model and the text.
    """
    manifest = read_manifest(model)
    checkpoint = open_manifest(manifest)
    checkpoint.check_context(window, f"window: {window} tokens; lower it")
    windows = text_windows(checkpoint.tokenizer, texts, "calibration", documents, window)
    dense = checkpoint.load_dense(DTYPES[runtime.dtype], runtime.start())
    with Progress("similarity", len(windows), "windows") as progress:
        similarity = measure_similarity(dense, _tokens(windows, progress))
    check_finite_scores(similarity.cosine.ravel().tolist(), "similarity of two layers")
    check_finite_scores(similarity.angular_last.ravel().tolist(), "angle between two layers")
    data = {
        "model": manifest["name"],
        "model_sha256": manifest["sha256"],
        "calibration": _calibration_record(texts, windows),
    }
    write_json(out, data | similarity.to_dict())


def write_search(
    options: dict[str, Any],
    model: Path,
    texts: list[Path],
    settings: SearchSection,
    runtime: Runtime,
    out: Path,
) -> None:
    """Runs the search of a method and writes its result to `out`.

    `options`: those of the method. Single answers are stored beside `out`, so that none is computed
    twice.
    """
    method = parse_method("options", options)
    manifest = read_manifest(model)
    checkpoint = open_manifest(manifest)
    window, documents = settings.window, settings.documents
    checkpoint.check_context(window, f"window: {window} tokens; lower it")
    windows = text_windows(checkpoint.tokenizer, texts, "calibration", documents, window)
    record = _calibration_record(texts, windows) | {"scored": settings.score}
    dense = checkpoint.load_dense(DTYPES[runtime.dtype], runtime.start())
    evaluator = CalibrationEvaluator(
        dense,
        [token_window.tokens for token_window in windows],
        settings.grid,
        out.parent / "answers",
        key=json.dumps([manifest["sha256"], record, runtime.dtype, _code()], sort_keys=True),
        first_scored=1 if settings.score == "all" else window // 2,
    )
    start = time.monotonic()
    with Progress(f"search {method.search_key}", 0, "evaluations") as progress:
        evaluator.progress = progress
        search_result = method.search(evaluator)
    header = {
        "method": method.method,
        "calibration": record | {"window": window},
        "seconds": round(time.monotonic() - start, 1),
    }
    write_json(out, header | search_result)


def _code() -> str:
    """Digest over all code that answers depend on, so that an answer of older code is not read."""
    return fingerprint(CalibrationEvaluator.__module__)


def _tokens(windows: list[TokenWindow], progress: Progress) -> Iterator[list[int]]:
    """The token ids of each window; advances the progress line after each."""
    for window in windows:
        yield window.tokens
        progress.update()


def _calibration_record(texts: list[Path], windows: list[TokenWindow]) -> dict[str, Any]:
    """Which texts and documents the windows are of."""
    return {
        "texts": {path.stem: sha256_file(path) for path in texts},
        "documents": [window.document[:16] for window in windows],
        "tokens": sum(len(window.tokens) for window in windows),
    }
