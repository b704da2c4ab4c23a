"""How long a decoded token takes, and what ran it."""

from __future__ import annotations

from reports.data.measured_on import latency_setting
from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures import pareto, step_breakdown
from reports.figures.decode_latency import latency_figure
from reports.figures.quality_by_latency import quality_by_latency
from reports.figures.speed_by_group_size import speed_by_group_size
from reports.page.section import Block, Drawing, Facts, PageSection
from reports.tables.latency import latency_table
from reports.tables.realised_speedup import realised_table
from reports.text.latency_checks import checks

READING = (
    "On one device the layers of a group run fused in a few products, which read as many weights "
    "as dense does. On N ranks the members of a group run at the same time, each on a rank or on "
    "several that share it; a plan without groups is tensor parallel there, the rival at equal "
    "rank count. Layer removal saves time in both phases, skipping while decoding only."
)
REALISED = (
    "What the options of a variant ask for, what its layers alone would give, and what was "
    "measured. Embedding, head and, where only decoded tokens skip, the prompt are run in full, so "
    "less is realised than requested. Where tokens leave by confidence, the check at each layer "
    "takes time as well."
)


def section(results: Results, estimates: Estimates) -> PageSection:
    if results.config["latency"] is None:
        return PageSection("latency", "Latency", ["This run leaves latency out.", _steps(results)])
    drawing = Drawing(
        "latency",
        "Time a decoded token takes, relative to dense on one device",
        "Time per decoded token relative to dense on one device, with its interval; shapes tell "
        "what ran it, colours the family. Grey: depth over full depth, what the depth alone would "
        "give; grouped plans need a rank for each member of a group to come near it. Hollow: its "
        "accuracy was not measured. "
        f"{latency_setting(results)}",
        lambda: latency_figure(results, estimates.latencies, estimates.qualities),
    )
    return PageSection(
        "latency",
        "Latency",
        [
            READING,
            drawing,
            *_more(results, estimates),
            latency_table(results, estimates.latencies, estimates.qualities),
            *_trust(results, estimates),
            REALISED,
            realised_table(results),
        ],
    )


def _trust(results: Results, estimates: Estimates) -> list[Block]:
    found = list(checks(results, estimates.latencies))
    return ["Can these times be trusted?", Facts(found)] if found else []


def _more(results: Results, estimates: Estimates) -> list[Drawing]:
    quality = Drawing(
        "quality-by-latency",
        "Perplexity and accuracy against the time of a decoded token",
        "Down and to the left is better above, up and to the left below; both intervals are drawn. "
        "Variants beyond twenty times the dense perplexity are left out above, those without "
        f"accuracy below. {latency_setting(results)}",
        lambda: quality_by_latency(
            results, estimates.perplexities, estimates.accuracies, estimates.latencies
        ),
    )
    sizes = Drawing(
        "speed-by-group-size",
        "Decode speed against the size of groups",
        "Plans without bypass, over dense on one device, with intervals; grey lines: what depth "
        "alone would give; markers tell what ran it.",
        lambda: speed_by_group_size(results, estimates.latencies),
    )
    front = Drawing(
        "pareto",
        "Perplexity against time, and against device-seconds",
        "Quality against time and against time × ranks; the line joins what nothing else beats in "
        "both. Hollow: perplexity not measured. At the upper edge: twenty times the dense "
        "perplexity, or more.",
        lambda: pareto.pareto(results, estimates.perplexities, estimates.latencies),
    )
    return [quality, front, sizes, _steps(results)]


def _steps(results: Results) -> Drawing:
    return Drawing(
        "step-breakdown",
        "Computing, messages and waiting of a step on ranks",
        "From the engine’s bench: computing is the same step without messages; messages are "
        "as many as it sends at what one costs under load, as far as the step has room for them; "
        "the rest is waiting. The mark: computing plus all messages one by one.",
        lambda: step_breakdown.step_breakdown(results.bench),
    )
