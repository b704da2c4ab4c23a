"""Constants of tests that measure a tiny LLaMA: runtime, texts and variants."""

from __future__ import annotations

from benchmarks.config.run_config import SearchSection
from benchmarks.runtime.device import Runtime

CPU = Runtime(device="cpu", dtype="float32", threads=1, seed=3)
WINDOW = 16
SEARCH = SearchSection(grid=3, documents=1, window=WINDOW)
DOCUMENTS = {
    "calibration": ["only what is scored must be read, and this is not scored at all"],
    "evaluation": [
        "a layer reads what the layers before it wrote, and adds its own to that",
        "zwei Schichten lesen dasselbe und rechnen zugleich: schnell, größer, übrig",
        "too short",
        "three words are few but thirty words are more than a window of sixteen tokens",
    ],
}
VARIANTS = {
    "dense": {"method": "dense"},
    "pairs": {"method": "uniform", "group_size": 2, "start": 1, "end": 3, "bypass": 1},
    "skip": {"method": "unified", "rule": "even", "depth": 2},
}
