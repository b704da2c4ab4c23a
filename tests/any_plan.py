"""Hypothesis strategy: any legal plan. Layers and halves missing, any stages, any bypass."""

from hypothesis import strategies as st

from cqil import LayerPlan

TARGETS = ("ffn", "ffn+residual", "two-way", "mean")
WHOLE = ("decode", "prompt only")
ROLES = ("decode", "decode", "decode", "prompt only", "dropped", "attn", "mlp", "halves")


@st.composite
def stages(draw, members, largest):
    """The members in order, in stages of at most `largest`."""
    built = []
    while members:
        size = draw(st.integers(1, largest))
        built.append(members[:size])
        members = members[size:]
    return built


@st.composite
def plans(draw, own_prefill=False, shallowest=1, deepest=12, largest=4):
    """Any plan; with `own_prefill`, a prompt that may run more layers, grouped otherwise."""
    num_layers = draw(st.integers(shallowest, deepest))
    role = draw(st.lists(st.sampled_from(ROLES), min_size=num_layers, max_size=num_layers))
    role[draw(st.integers(0, num_layers - 1))] = "decode"
    decoding = [m for layer in range(num_layers) for m in members(layer, role[layer], "decode")]
    prompt = [m for layer in range(num_layers) for m in members(layer, role[layer], *WHOLE)]
    return LayerPlan(
        num_layers=num_layers,
        groups=draw(stages(decoding, largest)),
        bypass=draw(st.integers(0, 3)),
        bypass_target=draw(st.sampled_from(TARGETS)),
        prefill=draw(stages(prompt, largest)) if own_prefill else None,
    )


def members(layer, role, *whole):
    """What a layer of this role gives to a phase in which the `whole` roles run."""
    if role in whole:
        return [layer]
    halves = {"attn": ["attn"], "mlp": ["mlp"], "halves": ["attn", "mlp"]}
    return [f"{layer}.{half}" for half in halves.get(role, [])]
