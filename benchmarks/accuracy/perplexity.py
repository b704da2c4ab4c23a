"""Perplexity of a variant: the second half of each window, given the first half as prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.accuracy.phase_aware_scoring import ScoreRequest, score_requests
from benchmarks.data.token_windows import text_windows
from benchmarks.models.load_model import load_planned, load_tokenizer
from benchmarks.models.variants import Variant
from benchmarks.results.measurements import PerplexityResult, WindowSample
from benchmarks.runtime.device import Runtime
from benchmarks.runtime.progress import Progress
from benchmarks.runtime.run_measurement import run_measurement


def measure_perplexity(
    variant: Variant, texts: list[Path], documents: int | None, window: int, runtime: Runtime
) -> PerplexityResult:
    """One sample a window, so that intervals and paired differences can be drawn over windows."""

    def measure(device: str) -> dict[str, Any]:
        tokenizer = load_tokenizer(variant.manifest)
        windows = text_windows(tokenizer, texts, "evaluation", documents, window)
        model = load_planned(variant, device, runtime.dtype)
        requests = [ScoreRequest(*w.halves()) for w in windows]
        with Progress(f"{variant.name} perplexity", len(windows), "windows") as progress:
            scores = score_requests(
                model, requests, early_exit=variant.early_exit, on_done=progress.to
            )
        samples = [
            WindowSample(
                text=w.text,
                document=w.document[:16],
                tokens=len(request.continuation),
                bytes=len(tokenizer.decode(request.continuation).encode()),
                nll=-scored.loglikelihood,
                layers=scored.layers,
            )
            for w, request, scored in zip(windows, requests, scores, strict=True)
        ]
        return {"samples": samples}

    workload = {"texts": [p.stem for p in texts], "documents": documents, "window": window}
    return run_measurement(PerplexityResult, variant, workload, runtime, measure)
