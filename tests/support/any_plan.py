"""Hypothesis strategy: any legal plan. Layers and halves missing, any stages, bypass, ladder."""

from hypothesis import strategies as st

from cqil import LayerPlan
from cqil.plan.stages import layer_of

TARGETS = ("ffn", "ffn+residual", "two-way", "mean")
WHOLE = ("decode", "prompt only")
ROLES = ("decode", "decode", "decode", "prompt only", "dropped", "attn", "mlp", "halves")


@st.composite
def stages(draw, members, largest, ladder=()):
    """The members in order, in stages of at most `largest`; one by one within the ladder."""
    built = []
    while members:
        free = next((i for i, m in enumerate(members) if layer_of(m) in ladder), largest)
        size = draw(st.integers(1, min(largest, free))) if free else 1
        built.append(members[:size])
        members = members[size:]
    return built


@st.composite
def plans(draw, own_prefill=False, shallowest=1, deepest=12, largest=4, laddered=True):
    """Any plan; with `own_prefill`, a prompt that may run more layers, grouped otherwise."""
    num_layers = draw(st.integers(shallowest, deepest))
    role = draw(st.lists(st.sampled_from(ROLES), min_size=num_layers, max_size=num_layers))
    role[draw(st.integers(0, num_layers - 1))] = "decode"
    ladder = range(*draw(ladders(num_layers))) if laddered else range(0)
    for layer in ladder:
        role[layer] = role[layer] if role[layer] in WHOLE else "dropped"
    decoding = [m for layer in range(num_layers) for m in members(layer, role[layer], "decode")]
    prompt = [m for layer in range(num_layers) for m in members(layer, role[layer], *WHOLE)]
    return LayerPlan(
        num_layers=num_layers,
        groups=draw(stages(decoding, largest, ladder)),
        bypass=draw(st.integers(0, 3)),
        bypass_target=draw(st.sampled_from(TARGETS)),
        prefill=draw(stages(prompt, largest, ladder)) if own_prefill else None,
        ladder=(ladder.start, ladder.stop) if ladder else None,
    )


def ladders(num_layers):
    """Bounds of a run of layers; mostly there is none."""
    bounds = st.sets(st.integers(0, num_layers), min_size=2, max_size=2).map(sorted)
    return st.sampled_from([False, False, True]).flatmap(
        lambda one: bounds if one else st.just((0, 0))
    )


def members(layer, role, *whole):
    """What a layer of this role gives to a phase in which the `whole` roles run."""
    if role in whole:
        return [layer]
    halves = {"attn": ["attn"], "mlp": ["mlp"], "halves": ["attn", "mlp"]}
    return [f"{layer}.{half}" for half in halves.get(role, [])]
