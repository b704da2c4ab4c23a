"""A made-up run with healed variants, whose numbers are easy to check by hand.

Dense has 3.0 nats a token. Grouping loses 0.5 and removal 2.0; the windows of names of equal length
share their noise, so differences between such variants are exact.
"""

from __future__ import annotations

from typing import Any

from made_up_results import LAYERS, PROVENANCE, VARIANTS, MadeUpRun

from cqil.plan import kept_layers_plan, uniform_plan

PAIRS = ("cqil", "uniform", {"group_size": 2}, uniform_plan(LAYERS, 2, 6, 2))
REMOVED = ("removal", "shortgpt", {"depth": 4}, kept_layers_plan(LAYERS, [0, 1, 2, 5]))
DENSE_HELD_OUT = 3.25


def healing_edit(method: str, tokens: int, seconds: float, course: list[tuple[float, float]]):
    """An edit of a manifest; `course` holds (share of the step, nats above dense)."""
    points = [
        {
            "step": number,
            "tokens": round(share * tokens),
            "seconds": share * seconds,
            "loss": None if number == 0 else 1.0,
            "held_out": DENSE_HELD_OUT + excess,
        }
        for number, (share, excess) in enumerate(course)
    ]
    made: dict[str, Any] = {
        "method": method,
        "tokens": tokens,
        "seconds": seconds,
        "windows": tokens // 512,
        "window": 512,
        "data": "ef" * 32,
        "dtype": "float32",
        "device": "cpu",
        "threads": 2,
        "hardware": PROVENANCE.hardware.model_dump(),
        "dense_held_out": DENSE_HELD_OUT,
        "course": points,
    }
    kind = "adapter" if method == "lora" else "refit"
    return {"kind": kind, "path": "elsewhere", "sha256": "ab" * 32, "made": made}


def refit(before: float, after: float) -> dict[str, Any]:
    """131,072 tokens in two minutes."""
    return healing_edit("refit", 131072, 120, [(0, before), (1, after)])


def lora(before: float, after: float) -> dict[str, Any]:
    """65,536 tokens in six minutes."""
    course = [(0, before), (0.5, (before + 3 * after) / 4), (1, after)]
    return healing_edit("lora", 65536, 360, course)


ADAPTER = {
    "kind": "adapter",
    "path": "elsewhere",
    "sha256": "ab" * 32,
    "made": {"method": "adapter", "source": "of-others"},
}
HEALED = {
    "dense": VARIANTS["dense"],
    "pairs": PAIRS,
    "p-ref": (*PAIRS, [refit(0.5, 0.25)]),
    "p-lor": (*PAIRS, [lora(0.5, 0.2)]),
    "p-two": (*PAIRS, [refit(0.5, 0.25), lora(0.25, 0.125)]),
    "p-ada": (*PAIRS, [ADAPTER]),
    "gone4": REMOVED,
    "g-ref": (*REMOVED, [refit(2.0, 1.0)]),
    "g-lor": (*REMOVED, [lora(2.0, 0.75)]),
}
LOSSES = {
    "dense": 3.0,
    "pairs": 3.5,
    "p-ref": 3.25,
    "p-lor": 3.2,
    "p-two": 3.125,
    "p-ada": 3.1,
    "gone4": 5.0,
    "g-ref": 4.0,
    "g-lor": 3.75,
}
"""Nats a token."""


def healed_run(**changes: Any) -> MadeUpRun:
    """The run; `changes` replace fields of it."""
    return MadeUpRun(**{"variants": HEALED, "losses": LOSSES} | changes)
