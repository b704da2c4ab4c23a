"""How to read the page: its words, its sources, how to cite it and what to run next."""

from __future__ import annotations

from markupsafe import Markup

from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.page.section import Facts, PageSection, ShellCommand

IDEA = (
    "A language model runs its layers one after another, so a token takes longer the deeper the "
    "model is. CQIL gives adjacent middle layers, whose inputs are nearly alike, the same input, "
    "so that they can run at the same time; its rivals remove layers, skip them for generated "
    "tokens, or split every layer over devices (tensor parallelism)."
)
WORDS = [
    ("layer", "One block of the model: attention, then MLP."),
    (
        "group, p",
        "Adjacent layers that get the same input, and how many they are: p = 2 are pairs. Their "
        "outputs are added up.",
    ),
    ("stage", "What runs in one step of the sequence: a single layer, or a group."),
    ("depth", "Stages that a token runs through; for dense, the number of layers."),
    (
        "S–E",
        "First grouped layer and the one after the last, counted from 0: S12-E30-P2-D1 groups "
        "layers 12 to 29 in pairs with bypass 1.",
    ),
    (
        "bypass, d",
        "A layer of a group also reads the attention outputs of the d layers before it in its "
        "group; d = 0 is none.",
    ),
    ("removal", "Layers are left out for prompt and generated tokens alike."),
    ("skipping", "The prompt runs at full depth, generated tokens run through fewer layers."),
    (
        "tensor parallelism (TP)",
        "Every layer is split over all ranks, which add their parts up twice a layer; no output "
        "changes.",
    ),
    ("rank", "One process with its own device, or on CPU with its own share of the cores."),
    ("prefill, decode", "The pass over the prompt; the steps that write one token each."),
    (
        "dense",
        "The unchanged model. Its A/A control is dense timed a second time: what differs is noise.",
    ),
    (
        "interval",
        "In brackets: where the number lies with the stated confidence, over the windows, "
        "documents or rounds of this run. “Not told apart” means that the interval includes no "
        "difference.",
    ),
    (
        "plan with a digest",
        "A plan that no short name describes ends with a digest; its layers stand in the file "
        "variants/NAME.json of the run, and are drawn under Every plan.",
    ),
]
LINKS = {
    "CQIL": "https://arxiv.org/abs/2404.06709",
    "its code": "https://github.com/Photooon/CQIL",
    "Unified Layer Skipping": "https://arxiv.org/abs/2404.06954",
    "ShortGPT": "https://arxiv.org/abs/2403.03853",
    "Gromov et al.": "https://arxiv.org/abs/2403.17887",
    "LaCo": "https://arxiv.org/abs/2402.11187",
    "SLEB": "https://arxiv.org/abs/2402.09025",
    "Layer Parallelism": "https://arxiv.org/abs/2502.02790",
}
CITE = (
    "Cite this suite by its CITATION.cff, and the papers of the methods that you report. Figures "
    "and tables lie beside the page as PDF, PNG, CSV, Markdown and LaTeX. Measured numbers come "
    "from this run’s files unless they name another run, and name their hardware; what is "
    "projected says so."
)
NEXT = {
    "recovery: what refits and LoRA bring back": "make heal",
    "every rule at five depths": "make rules",
    "the engine beside generate, tensor parallelism and others": "make bench",
    "your own model": "make run CONFIG=config/default.yaml MODEL=/path/to/model NAME=mine",
}


def section(results: Results, estimates: Estimates) -> PageSection:
    """Words, sources, how to cite, and commands."""
    links = Markup(", ").join(
        Markup('<a href="{}">{}</a>').format(address, name) for name, address in LINKS.items()
    )
    return PageSection(
        "about",
        "How to read this page",
        [
            Facts(WORDS),
            Markup("Papers and code: {}.").format(links),
            CITE,
            "What to run next, in a checkout of the suite:",
            *(ShellCommand(what, line) for what, line in NEXT.items()),
        ],
    )
