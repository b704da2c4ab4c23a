"""How long a decoded token takes, and what ran it."""

from __future__ import annotations

from reports import background, figures, tables
from reports.estimates import Estimates
from reports.load import Results
from reports.section import Drawing, Section

READING = (
    "On one device the layers of a group run fused in a few products, which read as many weights "
    "as dense does. On N ranks the members of a group run at the same time, each on a rank or on "
    "several that share it; a plan without groups is tensor parallel there, the rival at equal "
    "rank count. Layer removal saves time in both phases, skipping while decoding only."
)


def section(results: Results, estimates: Estimates) -> Section:
    if results.config["latency"] is None:
        return Section("latency", "Latency", ["This run leaves latency out."])
    drawing = Drawing(
        "latency",
        "Time a decoded token takes, relative to dense on one device",
        "Time per decoded token relative to dense on one device, with its interval; shapes tell "
        "what ran it, colours the family. Grey: depth over full depth, what the depth alone would "
        "give; grouped plans need a rank for each member of a group to come near it. "
        f"{background.latency_setting(results)}",
        lambda: figures.latency(results, estimates.latencies),
    )
    return Section(
        "latency", "Latency", [READING, drawing, tables.latency_table(results, estimates.latencies)]
    )
