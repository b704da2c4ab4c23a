"""Paths: the ways in which variants are timed; each is a folder of results. Imports no torch.

The engine on one device, the engine on N ranks, and for the dense model `generate` of Transformers.
Engines that replay graphs or are compiled have paths of their own. Results lie in
PATH/WORKLOAD/VARIANT.json.
"""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.sections import Latency

ENGINE = "engine"
TRANSFORMERS = "transformers"
EAGER = "eager"
REFERENCE = "dense"
"""What everything is compared with, and what Transformers can run as it comes."""
AGAIN = "dense-again"
"""Dense as one more arm: that it differs from dense is never true, so it tells what noise does."""
BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
"""What ranks talk over, by device."""
_RANKS = "ranks-"
_OTHER_MODES = ("graph", "compiled")


def timed(variants: Iterable[str], latency: Latency) -> list[tuple[str, str, str]]:
    """(path, workload, variant) of every result of a run."""
    names = list(variants)
    bases = [ENGINE, *(f"{_RANKS}{count}" for count in latency.ranks)]
    paths = [_in_mode(base, mode) for mode in latency.modes for base in bases]
    pairs = [
        (path, name)
        for path in paths
        for name in (*names, AGAIN)
        if name != AGAIN or (ranks_of(path) == 1 and REFERENCE in names)
    ]
    pairs += [(TRANSFORMERS, REFERENCE)] if REFERENCE in names else []
    return [(path, work.name, name) for work in latency.workloads for path, name in pairs]


def _in_mode(base: str, mode: str) -> str:
    return base if mode == EAGER else f"{base}-{mode}"


def ranks_of(path: str) -> int:
    return int(path.removeprefix(_RANKS).split("-")[0]) if path.startswith(_RANKS) else 1


def mode_of(path: str) -> str:
    last = path.rsplit("-", 1)[-1]
    return last if last in _OTHER_MODES else EAGER


def reference_of(path: str) -> str:
    """The path of the dense run that times on `path` are divided by: one device, the same mode."""
    return _in_mode(ENGINE, mode_of(path))


def plan_of(variant: str) -> str:
    """The variant whose plan an arm runs."""
    return REFERENCE if variant == AGAIN else variant
