"""Perplexity of a variant: the second half of each window, given the first half as prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.accuracy.phase_aware_scoring import ScoreRequest, score_requests
from benchmarks.data.token_windows import text_windows
from benchmarks.models.load_model import load_planned
from benchmarks.models.manifest import open_manifest
from benchmarks.models.variants import Variant
from benchmarks.results.result_schema import PerplexityResult, WindowSample
from benchmarks.runtime.device import Runtime
from benchmarks.runtime.progress import Progress
from benchmarks.runtime.run_measurement import run_measurement


def measure_perplexity(
    variant: Variant, texts: list[Path], documents: int | None, window: int, runtime: Runtime
) -> PerplexityResult:
    """One sample for each window, for intervals and paired differences over windows.

    `texts`: files of documents; `documents`: windows of each text, None for all; `window`: tokens
    of each. Raises ValueError where a text has too few long documents, and where a window exceeds
    the context of the model.
    """

    def measure(device: str) -> dict[str, Any]:
        checkpoint = open_manifest(variant.manifest)
        checkpoint.check_context(window, f"window: {window} tokens; lower it")
        tokenizer = checkpoint.tokenizer
        windows = text_windows(tokenizer, texts, "evaluation", documents, window)
        model = load_planned(variant, device, runtime.dtype)
        requests = [ScoreRequest(*token_window.halves()) for token_window in windows]
        with Progress(f"{variant.name} perplexity", len(windows), "windows") as progress:
            scores = score_requests(
                model, requests, depth_rule=variant.depth_rule, on_done=progress.to
            )
        samples = [
            WindowSample(
                text=token_window.text,
                document=token_window.document[:16],
                tokens=len(request.continuation),
                bytes=len(str(tokenizer.decode(list(request.continuation))).encode()),
                nll=-score.loglikelihood,
                layers=score.layers,
            )
            for token_window, request, score in zip(windows, requests, scores, strict=True)
        ]
        return {"samples": samples}

    workload = {"texts": [p.stem for p in texts], "documents": documents, "window": window}
    return run_measurement(PerplexityResult, variant, workload, runtime, measure)
