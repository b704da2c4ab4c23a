"""Stages: what runs at the same time, fed the same input. Imports no torch.

A member of a stage is a layer's index, or one half of a layer: "7.attn" or "7.mlp". Halves let a
plan drop half a layer, or run attention and MLP of one layer side by side (PaLM's parallel form).
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

Member = int | str
Stage = tuple[Member, ...]
Stages = tuple[Stage, ...]

_HALF = re.compile(r"(\d+)\.(attn|mlp)")


def layer_of(member: Member) -> int:
    """Index of the layer in the checkpoint."""
    return member if isinstance(member, int) else int(member.split(".")[0])


def has_attention(member: Member) -> bool:
    return isinstance(member, int) or member.endswith(".attn")


def has_mlp(member: Member) -> bool:
    return isinstance(member, int) or member.endswith(".mlp")


def attention_layers(stage: Stage) -> tuple[int, ...]:
    """Layers whose attention runs in the stage, in order."""
    return tuple(layer_of(member) for member in stage if has_attention(member))


def mlp_layers(stage: Stage) -> tuple[int, ...]:
    """Layers whose MLP runs in the stage, in order."""
    return tuple(layer_of(member) for member in stage if has_mlp(member))


def stage_depth(stage: Stage) -> float:
    """1 for a stage with a whole layer, 0.5 for one of halves: they run side by side."""
    return 1 if any(isinstance(member, int) for member in stage) else 0.5


def dense_stages(num_layers: int) -> tuple[tuple[int, ...], ...]:
    """Every layer as a stage of its own, in order."""
    return tuple((layer,) for layer in range(num_layers))


def uniform_stages(num_layers: int, start: int, end: int, size: int) -> Stages:
    """Layers [start, end) in consecutive groups of `size`, the last one smaller if need be."""
    middle = (tuple(range(i, min(i + size, end))) for i in range(start, end, size))
    singles = dense_stages(num_layers)
    return (*singles[:start], *middle, *singles[end:])


def as_stages(field: str, value: Any, num_layers: int) -> Stages:
    """Checked stages in normal form. Raises ValueError with one line that starts with `field`."""
    try:
        stages = tuple(tuple(stage) for stage in value)
    except TypeError:
        raise ValueError(f"{field}: {value!r} is not a list of lists of layer indices") from None
    _check(field, stages, num_layers)
    return _normal(stages)


def as_run(field: str, value: Any, num_layers: int) -> tuple[int, int]:
    """A checked half-open run of layers. Raises ValueError alike."""
    run = tuple(value) if isinstance(value, list | tuple) else ()
    if len(run) != 2 or any(type(bound) is not int for bound in run):
        raise ValueError(f"{field}: {value!r} is not a run of layers; give its start and its end")
    start, end = run
    if not 0 <= start < end <= num_layers:
        raise ValueError(
            f"{field}: [{start}, {end}) is no run of layers of a checkpoint of {num_layers}; "
            f"choose 0 <= start < end <= {num_layers}"
        )
    return start, end


def _normal(stages: Stages) -> Stages:
    """Both halves of a layer, one after the other and each on its own, are the layer."""
    normal: list[Stage] = []
    for stage in stages:
        layer = layer_of(stage[0])
        if stage == (f"{layer}.mlp",) and normal and normal[-1] == (f"{layer}.attn",):
            normal[-1] = (layer,)
        else:
            normal.append(stage)
    return tuple(normal)


def _check(field: str, stages: Stages, num_layers: int) -> None:
    if not stages:
        raise ValueError(f"{field}: no layer is left; keep at least one")
    previous = -1
    for stage in stages:
        if not stage:
            raise ValueError(f"{field}: a stage is empty; drop it or name its layers")
        for member in stage:
            halves = _halves(field, member, num_layers)
            if halves[0] <= previous:
                run = [half for m in chain(*stages) for half in _halves(field, m, num_layers)]
                fault = "appears twice" if run.count(halves[0]) > 1 else "is out of order"
                raise ValueError(
                    f"{field}: layer {member} {fault}; list each layer once, ascending"
                )
            previous = halves[-1]
    if not any(has_attention(member) for member in chain(*stages)):
        raise ValueError(f"{field}: no attention is left; keep that of one layer at least")


def _halves(field: str, member: Any, num_layers: int) -> list[int]:
    """Places in the order attention 0, MLP 0, attention 1, ... that the member takes."""
    if isinstance(member, str) and (match := _HALF.fullmatch(member)):
        layer, places = int(match[1]), [2 * int(match[1]) + (match[2] == "mlp")]
    elif isinstance(member, int) and not isinstance(member, bool):
        layer, places = member, [2 * member, 2 * member + 1]
    else:
        raise ValueError(
            f"{field}: {member!r} is not a layer index; use whole numbers, or halves "
            'such as "7.attn" and "7.mlp"'
        )
    if not 0 <= layer < num_layers:
        raise ValueError(
            f"{field}: layer {layer} is out of range; the checkpoint has layers "
            f"0 to {num_layers - 1}"
        )
    return places
