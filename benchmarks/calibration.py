"""What is measured before plans are chosen: layer similarity, and where groups should start.

Both look at calibration documents only, which no score ever sees.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.files import read_json, sha256_file, write_json
from benchmarks.models import load_dense, load_tokenizer
from benchmarks.progress import Progress
from benchmarks.runtime import Runtime
from benchmarks.scoring import Request, score
from benchmarks.windows import text_windows
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.plan import LayerPlan
from cqil.selection.search import candidate_starts, search_start
from cqil.selection.uniform import grouped_span
from cqil.similarity import measure_similarity


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
    model: Path,
    texts: list[Path],
    documents: int,
    window: int,
    group_size: int,
    depth: int,
    grid: int,
    runtime: Runtime,
    out: Path,
) -> None:
    """Scores a grid of starts by calibration perplexity (second half of each window)."""
    manifest = read_json(model)
    windows = text_windows(load_tokenizer(manifest), texts, "calibration", documents, window)
    requests = [Request(*w.halves()) for w in windows]
    scored = sum(len(request.continuation) for request in requests)
    dense = load_dense(manifest, runtime.start(), runtime.dtype)
    span = grouped_span(manifest["num_layers"], depth, group_size)
    count = len(candidate_starts(manifest["num_layers"], span, grid))

    with Progress(f"search p={group_size} depth={depth}", count, "starts") as progress:

        def nll_per_token(plan: LayerPlan) -> float:
            planned = PlannedLlamaForCausalLM.from_dense(dense, plan)
            total = -sum(s.loglikelihood for s in score(planned, requests))
            progress.update()
            return total / scored

        found = search_start(manifest["num_layers"], group_size, depth, grid, nll_per_token)
    write_json(out, found | {"calibration": _described(texts, windows), "scored_tokens": scored})


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
