"""LayerPlan: which layers of a checkpoint run, in which order, and which of them share one input.

Every method of the suite is a function that returns one of these. Imports no torch, so that dry
runs and reports stay fast. How a plan is executed: `cqil/modeling/planned_llama.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, get_args

from cqil.errors import check_known
from cqil.plan.stages import (
    Stage,
    Stages,
    as_run,
    as_stages,
    attention_layers,
    dense_stages,
    layer_of,
    stage_depth,
    uniform_stages,
)

BypassTarget = Literal["ffn", "ffn+residual", "two-way", "mean"]

_SUFFIX = {"ffn": "", "ffn+residual": "-residual", "two-way": "-twoway", "mean": "-mean"}
_SLUG = re.compile(r"S(\d+)-E(\d+)-P(\d+)-D(\d+)(-residual|-twoway|-mean)?")


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """An order of execution over a checkpoint of `num_layers` decoder layers.

    Raises ValueError, naming the field and the layer, for anything that cannot be executed.
    """

    num_layers: int
    """Depth of the checkpoint that the plan is for."""
    groups: Stages
    """Stages in order; a stage is a tuple of layer indices, or halves of layers (`stages.py`)."""
    bypass: int = 0
    """Distance d: attention outputs of the d layers just before layer j reach its MLP."""
    bypass_target: BypassTarget = "ffn"
    """Where bypassed attention outputs go; `two-way` and `mean` do not use the distance."""
    prefill: Stages | None = None
    """Stages for prompt tokens where they differ; `groups` then serve generated tokens."""
    ladder: tuple[int, int] | None = None
    """Layers [start, end) whose halves each miss the output of the half before, whose sum over
    ranks is then no wait (Ladder-Residual, arXiv 2501.06589); for prompt and decoding alike."""

    def __post_init__(self) -> None:
        _check_count("num_layers", self.num_layers, 1)
        _check_count("bypass", self.bypass, 0)
        check_known("bypass_target", self.bypass_target, get_args(BypassTarget))
        object.__setattr__(self, "groups", as_stages("groups", self.groups, self.num_layers))
        if self.prefill is not None:
            object.__setattr__(self, "prefill", as_stages("prefill", self.prefill, self.num_layers))
            self._check_prefill()
        if self.ladder is not None:
            self._check_ladder()
        if max(map(len, (*self.groups, *self.prefill_groups))) == 1:
            # Without a group nothing is bypassed: equal plans compare equal and share a slug.
            object.__setattr__(self, "bypass", 0)
            object.__setattr__(self, "bypass_target", "ffn")

    def _check_prefill(self) -> None:
        if self.prefill == self.groups:
            object.__setattr__(self, "prefill", None)
        prompt = set(attention_layers(tuple(chain(*self.prefill_groups))))
        if missing := sorted(set(self.attending_layers) - prompt):
            raise ValueError(
                f"prefill: layer {missing[0]} generates tokens but never sees the prompt; "
                "add it to prefill or drop it from groups"
            )

    def _check_ladder(self) -> None:
        """The run is trimmed to layers that are there, so that equal plans compare equal."""
        start, end = as_run("ladder", self.ladder, self.num_layers)
        for stage in (*self.groups, *self.prefill_groups):
            inside = [layer_of(member) for member in stage if start <= layer_of(member) < end]
            if inside and stage != (inside[0],):
                raise ValueError(
                    f"ladder: [{start}, {end}) holds a part of stage {list(stage)}, but a ladder "
                    "runs whole layers one by one; end it before, or take the stage apart"
                )
        inside = [layer for layer in self.stored_layers if start <= layer < end]
        object.__setattr__(self, "ladder", (inside[0], inside[-1] + 1) if inside else None)

    def in_ladder(self, stage: Stage) -> bool:
        """Whether the stage is a layer of the ladder."""
        return self.ladder is not None and layer_of(stage[0]) in range(*self.ladder)

    @property
    def depth(self) -> float:
        """Sequential layers while decoding: one a stage, half for a stage of half layers."""
        return sum(map(stage_depth, self.groups))

    @property
    def prefill_groups(self) -> Stages:
        """Stages that prompt tokens run through."""
        return self.groups if self.prefill is None else self.prefill

    @property
    def layers(self) -> tuple[int, ...]:
        """Original indices of the layers that run while decoding, ascending."""
        return _layers(self.groups)

    @property
    def stored_layers(self) -> tuple[int, ...]:
        """Original indices of the layers that a saved variant needs, ascending."""
        return tuple(sorted({*_layers(self.prefill_groups), *self.layers}))

    @property
    def attending_layers(self) -> tuple[int, ...]:
        """Original indices of the layers whose attention runs while decoding, ascending."""
        return attention_layers(tuple(chain(*self.groups)))

    @property
    def max_group_size(self) -> int:
        return max(map(len, self.groups))

    @property
    def ideal_speedup(self) -> float:
        """Decode speed-up if a stage took as long as one layer and nothing else took time."""
        return self.num_layers / self.depth

    @property
    def slug(self) -> str:
        """A name that is safe in paths: `S12-E28-P2-D1` where start, end and size say it all."""
        if self == dense_plan(self.num_layers):
            return "dense"
        if self.prefill is None and self.ladder is None and (run := self._uniform_run()):
            start, end, size = run
            return f"S{start}-E{end}-P{size}-D{self.bypass}{_SUFFIX[self.bypass_target]}"
        digest = hashlib.sha256(self.to_json().encode()).hexdigest()[:8]
        depth = f"{self.depth:g}".replace(".", "h")
        return f"N{self.num_layers}-G{depth}-{digest}"

    def _uniform_run(self) -> tuple[int, int, int] | None:
        """Start, end and group size, where all layers run and only one run of them is grouped."""
        grouped = [stage for stage in self.groups if len(stage) > 1]
        if not grouped:
            return None
        run = (layer_of(grouped[0][0]), layer_of(grouped[-1][-1]) + 1, len(grouped[0]))
        return run if uniform_stages(self.num_layers, *run) == self.groups else None

    def check_depth(self, num_layers: int) -> None:
        """Raises ValueError unless the plan is for a checkpoint of `num_layers` layers."""
        if num_layers != self.num_layers:
            raise ValueError(
                f"num_layers: the plan is for {self.num_layers} layers, the checkpoint has "
                f"{num_layers}; build a plan for this checkpoint"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and scalars; `from_dict` restores the plan."""
        # Left out where there is none: names and answers on file stay what they were.
        ladder = {} if self.ladder is None else {"ladder": list(self.ladder)}
        return {
            "num_layers": self.num_layers,
            "groups": [list(stage) for stage in self.groups],
            "bypass": self.bypass,
            "bypass_target": self.bypass_target,
            "prefill": None if self.prefill is None else [list(s) for s in self.prefill],
            **ladder,
        }

    @classmethod
    def from_dict(cls, data: Any) -> LayerPlan:
        if not isinstance(data, dict):
            raise ValueError(f"plan: {data!r} is not an object; write it with LayerPlan.to_dict")
        fields = set(cls.__dataclass_fields__)
        if unknown := sorted(set(data) - fields):
            raise ValueError(
                f"{unknown[0]!r}: unknown field; a plan has {', '.join(sorted(fields))}"
            )
        for field in ("num_layers", "groups"):
            if field not in data:
                raise ValueError(f"{field}: missing; a plan needs num_layers and groups")
        return cls(**data)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> LayerPlan:
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"plan: not JSON ({error}); write it with LayerPlan.to_json") from None
        return cls.from_dict(data)

    @classmethod
    def from_slug(cls, slug: str, num_layers: int) -> LayerPlan:
        """The plan that a slug such as `S12-E28-P2-D1` names, for a checkpoint of `num_layers`."""
        if slug == "dense":
            return dense_plan(num_layers)
        match = _SLUG.fullmatch(slug)
        if match is None:
            raise ValueError(f"plan: {slug!r} is not a slug; write it like S12-E28-P2-D1")
        start, end, size, distance = map(int, match.groups()[:4])
        target = {suffix: name for name, suffix in _SUFFIX.items()}[match[5] or ""]
        return uniform_plan(num_layers, start, end, size, distance, target)  # type: ignore[arg-type]


def dense_plan(num_layers: int) -> LayerPlan:
    """The checkpoint as it was trained."""
    return LayerPlan(num_layers=num_layers, groups=dense_stages(num_layers))


def uniform_plan(
    num_layers: int, start: int, end: int, size: int, bypass: int = 0, target: BypassTarget = "ffn"
) -> LayerPlan:
    """CQIL's S, E, p, d (arXiv 2404.06709; 0-based, E exclusive)."""
    _check_count("group_size", size, 1)
    if not 0 <= start <= end <= num_layers:
        raise ValueError(
            f"start, end: [{start}, {end}) does not lie in a checkpoint of {num_layers} layers; "
            f"choose 0 <= start <= end <= {num_layers}"
        )
    return LayerPlan(
        num_layers=num_layers,
        groups=uniform_stages(num_layers, start, end, size),
        bypass=bypass,
        bypass_target=target,
    )


def kept_layers_plan(num_layers: int, kept: list[int], *, prompt_dense: bool = False) -> LayerPlan:
    """Only the `kept` layers run; with `prompt_dense` that holds for generated tokens alone."""
    return LayerPlan(
        num_layers=num_layers,
        groups=tuple((layer,) for layer in sorted(kept)),
        prefill=dense_stages(num_layers) if prompt_dense else None,
    )


def _layers(stages: Stages) -> tuple[int, ...]:
    return tuple(sorted({layer_of(member) for member in chain(*stages)}))


def _check_count(field: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{field}: {value!r} must be a whole number of at least {least}")
