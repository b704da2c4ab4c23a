"""Perplexity of a variant: the second half of each window, given the first half as prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.models import load_planned, load_tokenizer
from benchmarks.progress import Progress
from benchmarks.record import PerplexityResult, WindowSample
from benchmarks.runtime import Runtime, outcome
from benchmarks.scoring import Request, score
from benchmarks.variants import Variant
from benchmarks.windows import text_windows


def measure_perplexity(
    variant: Variant, texts: list[Path], documents: int | None, window: int, runtime: Runtime
) -> PerplexityResult:
    """One sample a window, so that intervals and paired differences can be drawn over windows."""

    def measure(device: str) -> dict[str, Any]:
        tokenizer = load_tokenizer(variant.manifest)
        windows = text_windows(tokenizer, texts, "evaluation", documents, window)
        model = load_planned(variant, device, runtime.dtype)
        requests = [Request(*w.halves()) for w in windows]
        with Progress(f"{variant.name} perplexity", len(windows), "windows") as progress:
            scores = score(model, requests, exits=variant.exits, on_done=progress.to)
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
    return outcome(PerplexityResult, variant, workload, runtime, measure)
