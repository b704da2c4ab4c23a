"""Hypothesis strategies: any legal plan, any tiny checkpoint, any left-padded batch for them."""

from dataclasses import dataclass

from hypothesis import strategies as st
from tiny_models import Shape

from cqil import LayerPlan

TARGETS = ("ffn", "ffn+residual", "two-way", "mean")

shapes = st.builds(
    Shape,
    kv_heads=st.sampled_from([1, 2, 4]),
    head_dim=st.sampled_from([4, 8]),
    tied=st.booleans(),
    attention_bias=st.booleans(),
    mlp_bias=st.booleans(),
)


@st.composite
def stages(draw, layers):
    """The layers in order, in stages of one to four."""
    built = []
    while layers:
        size = draw(st.sampled_from([2, 3, 4, 1]))
        built.append(layers[:size])
        layers = layers[size:]
    return built


@st.composite
def plans(draw, own_prefill):
    """Depth 1 to 8, layers missing, any bypass; an own prefill may add layers and regroup them."""
    num_layers = draw(st.integers(1, 8))
    roles = st.sampled_from(["decode"] * 3 + ["prompt only", "dropped"])
    role = draw(st.lists(roles, min_size=num_layers, max_size=num_layers))
    role[draw(st.integers(0, num_layers - 1))] = "decode"
    decoding = [layer for layer in range(num_layers) if role[layer] == "decode"]
    prompt = [layer for layer in range(num_layers) if role[layer] != "dropped"]
    return LayerPlan(
        num_layers=num_layers,
        groups=draw(stages(decoding)),
        bypass=draw(st.integers(0, 3)),
        bypass_target=draw(st.sampled_from(TARGETS)),
        prefill=draw(stages(prompt)) if own_prefill else None,
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
def cases(draw, own_prefill):
    prompt_length = draw(st.integers(1, 6))
    pads = st.integers(0, prompt_length - 1)
    return Case(
        plan=draw(plans(own_prefill)),
        shape=draw(shapes),
        seed=draw(st.integers(0, 1000)),
        prompt_length=prompt_length,
        padding=draw(st.lists(pads, min_size=1, max_size=3)),
    )
