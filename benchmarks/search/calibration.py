"""What is measured before plans are chosen: layer similarity, and what methods search for.

Both look at calibration documents only, which no score ever sees.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from benchmarks.config.run_config import parse_method
from benchmarks.data.token_windows import text_windows
from benchmarks.models.load_model import load_dense, load_tokenizer
from benchmarks.results.files import read_json, sha256_file, write_json
from benchmarks.runtime.device import Runtime
from benchmarks.runtime.progress import Progress
from benchmarks.search.calibration_evaluator import CalibrationEvaluator
from cqil.modeling.layer_similarity import measure_similarity


def write_similarity(
    model: Path, texts: list[Path], documents: int, window: int, runtime: Runtime, out: Path
) -> None:
    """One pass over the calibration windows; writes both matrices with what they were made of."""
    manifest = read_json(model)
    windows = text_windows(load_tokenizer(manifest), texts, "calibration", documents, window)
    dense = load_dense(manifest, runtime.start(), runtime.dtype)
    with Progress("similarity", len(windows), "windows") as progress:
        similarity = measure_similarity(dense, (w.tokens for w in _counted(windows, progress)))
    data = {
        "model": manifest["name"],
        "model_sha256": manifest["sha256"],
        "calibration": _described(texts, windows),
    }
    write_json(out, data | similarity.to_dict())


def write_search(
    options: dict[str, Any],
    model: Path,
    texts: list[Path],
    documents: int,
    window: int,
    grid: int,
    runtime: Runtime,
    out: Path,
) -> None:
    """Runs a method's own search; its answers lie beside `out` and are never computed twice."""
    method = parse_method("options", options)
    manifest = read_json(model)
    windows = text_windows(load_tokenizer(manifest), texts, "calibration", documents, window)
    described = _described(texts, windows)
    dense = load_dense(manifest, runtime.start(), runtime.dtype)
    bench = CalibrationEvaluator(
        dense,
        [w.tokens for w in windows],
        grid,
        out.parent / "answers",
        key=json.dumps([manifest["sha256"], described, runtime.dtype], sort_keys=True),
    )
    began = time.monotonic()
    with Progress(f"search {method.search_key}", 0, "evaluations") as progress:
        bench.progress = progress
        found = method.search(bench)
    about = {"method": method.method, "calibration": described | {"window": window}}
    write_json(out, about | {"seconds": round(time.monotonic() - began, 1)} | found)


def _counted(windows: list[Any], progress: Progress) -> Any:
    for window in windows:
        yield window
        progress.update()


def _described(texts: list[Path], windows: list[Any]) -> dict[str, Any]:
    return {
        "texts": {path.stem: sha256_file(path) for path in texts},
        "documents": [w.document[:16] for w in windows],
        "tokens": sum(len(w.tokens) for w in windows),
    }
