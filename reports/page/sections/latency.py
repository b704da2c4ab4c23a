"""How long a decoded token takes, on each backend."""

from __future__ import annotations

from reports.data.devices import device_unit
from reports.data.measured_on import latency_setting
from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures.decode_latency import latency_figure
from reports.figures.pareto import pareto
from reports.figures.quality_by_latency import quality_by_latency
from reports.figures.speed_by_group_size import speed_by_group_size
from reports.figures.step_breakdown import step_breakdown
from reports.page.section import Block, Drawing, Facts, PageSection
from reports.tables.latency import latency_table
from reports.tables.realised_speedup import realised_table
from reports.text.latency_checks import checks
from reports.text.recovery import unhealed_only

READING = (
    "On one device the layers of a group run fused in a few matrix products, which read as many "
    "weights as dense does. On N ranks the members of a group run at the same time, each on one "
    "rank or on several ranks that share it. A plan without groups runs tensor parallel there: it "
    "is the rival on as many ranks. Layer removal saves time in prefill and decode, skipping in "
    "decode only."
)
REALISED = (
    "The speed-up that a variant asks for, what its depth alone gives, and what was measured. "
    "Embedding and LM head always run in full, and so does the prompt where only decoded tokens "
    "skip layers; the realised speed-up therefore tends to be below the requested one. Where "
    "tokens leave by confidence, the check at each layer takes time too."
)


def section(results: Results, estimates: Estimates) -> PageSection:
    """Figures, the table of times, and what tells whether the times can be trusted."""
    if results.config["latency"] is None:
        blocks: list[Block] = ["This run leaves latency out.", _step_breakdown(results)]
        return PageSection("latency", "Latency", blocks)
    blocks = [
        READING,
        _decode_latency(results, estimates),
        _quality_by_latency(results, estimates),
        _pareto(results, estimates),
        _speed_by_group_size(results, estimates),
        _step_breakdown(results),
        latency_table(results, estimates.latencies, estimates.qualities),
        *_trust(results, estimates),
        REALISED,
        realised_table(results),
    ]
    return PageSection("latency", "Latency", blocks)


def _trust(results: Results, estimates: Estimates) -> list[Block]:
    facts = list(checks(results))
    return ["Can these times be trusted?", Facts(facts)] if facts else []


def _decode_latency(results: Results, estimates: Estimates) -> Drawing:
    return Drawing(
        "latency",
        "Time of a decoded token, relative to dense on one device",
        "Time of a decoded token relative to dense on one device, with its interval. The marker "
        "shows the backend, the colour the family. Grey: depth over full depth, which is what the "
        "depth alone gives; groups have it only where each member can have a device of its own. "
        f"Hollow: accuracy not measured. {latency_setting(results)}",
        lambda: latency_figure(results, estimates.latencies, estimates.qualities),
    )


def _quality_by_latency(results: Results, estimates: Estimates) -> Drawing:
    return Drawing(
        "quality-by-latency",
        "Perplexity and accuracy against the time of a decoded token",
        "In the upper panels down and left is better, in the lower panels up and left; both "
        "intervals are drawn. Variants beyond twenty times the dense perplexity are left out of "
        "the upper panels, variants without accuracy of the lower ones. "
        f"{latency_setting(results)}",
        lambda: quality_by_latency(
            results, estimates.perplexities, estimates.accuracies, estimates.latencies
        ),
    )


def _pareto(results: Results, estimates: Estimates) -> Drawing:
    return Drawing(
        "pareto",
        "Perplexity against time, and against device-seconds",
        f"Perplexity against time, and against time × {device_unit(results)}s, which ranks on one "
        "machine share. The line joins the best points: every cheaper one has a worse perplexity, "
        "beyond the noise of both. Hollow, at the upper edge: perplexity not measured. Variants "
        "beyond twenty times the dense perplexity are left out."
        f"{unhealed_only(results)}",
        lambda: pareto(results, estimates.perplexities, estimates.latencies),
    )


def _speed_by_group_size(results: Results, estimates: Estimates) -> Drawing:
    return Drawing(
        "speed-by-group-size",
        "Decode speed against the size of groups",
        "Plans without bypass, relative to dense on one device, with intervals. Grey lines: what "
        "the depth alone gives, where each member of a group has a device. The marker shows the "
        f"backend.{unhealed_only(results)}",
        lambda: speed_by_group_size(results, estimates.latencies),
    )


def _step_breakdown(results: Results) -> Drawing:
    return Drawing(
        "step-breakdown",
        "Computing, messages and waiting in a decode step on ranks",
        "From the engine’s bench. Computing: the same step without messages. Messages: their "
        "number in the step times the cost of one under load, at most the time that computing "
        "leaves. Waiting: the rest. The mark: computing plus all messages one after another.",
        lambda: step_breakdown(results.bench),
    )
