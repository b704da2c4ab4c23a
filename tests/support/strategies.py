"""Hypothesis strategies: any tiny checkpoint, any left-padded batch for them."""

from dataclasses import dataclass
from typing import get_args

from any_plan import plans
from hypothesis import settings
from hypothesis import strategies as st
from tiny_models import Shape

from cqil import LayerPlan
from cqil.engine.parallel.layout import Layout, UngroupedLayers


def examples(count):
    """How many to draw; `--hypothesis-profile=deep` draws three times as many."""
    return count * (3 if settings.get_current_profile_name() == "deep" else 1)


HEADS = [(4, 1), (4, 2), (4, 4), (6, 3)]
"""Query and key-value heads; two shards of the last divide its key-value heads unevenly."""
shapes = st.builds(
    lambda heads, **others: Shape(heads[0], heads[1], **others),
    heads=st.sampled_from(HEADS),
    head_dim=st.sampled_from([4, 8]),
    tied=st.booleans(),
    attention_bias=st.booleans(),
    mlp_bias=st.booleans(),
)


@dataclass(frozen=True)
class Case:
    """A plan, the checkpoint under it, and a batch of prompts with pads on their left."""

    plan: LayerPlan
    shape: Shape
    seed: int
    prompt_length: int
    padding: list[int]
    """Pads of each row; at least one token of every prompt is real."""


@st.composite
def cases(draw, own_prefill, largest=4):
    prompt_length = draw(st.integers(1, 6))
    pads = st.integers(0, prompt_length - 1)
    return Case(
        plan=draw(plans(own_prefill=own_prefill, largest=largest)),
        shape=draw(shapes),
        seed=draw(st.integers(0, 1000)),
        prompt_length=prompt_length,
        padding=draw(st.lists(pads, min_size=1, max_size=3)),
    )


@st.composite
def rank_cases(draw, world_size):
    """A layout of `world_size` ranks, and a case that fits it."""
    group_size = draw(st.sampled_from([n for n in (1, 2, 4) if world_size % n == 0]))
    own_prefill = draw(st.booleans())
    # Where prompt and decoding group layers differently, only rank 0 can hold the others.
    ungrouped = "rank0" if own_prefill else draw(st.sampled_from(get_args(UngroupedLayers)))
    layout = Layout(
        group_parallel_size=group_size,
        tensor_parallel_size=world_size // group_size,
        ungrouped_layers=ungrouped,
    )
    return layout, draw(cases(own_prefill, largest=group_size if group_size > 1 else 4))
