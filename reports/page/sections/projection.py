"""What a cost model says of machines that are not at hand."""

from __future__ import annotations

from benchmarks.cost_model.machine import load_machine
from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures import break_even_map
from reports.page.section import Drawing, Fold, PageSection
from reports.tables import cost_model

READING = (
    "Nothing in this section was measured here. A cost model prices each way of using several "
    "devices from what each rank reads and sends; its machines are presets with sources."
)


def section(results: Results, estimates: Estimates) -> PageSection:
    drawing = Drawing(
        "break-even",
        "Projected: the fastest way to decode, by message latency and model size",
        "Projected: the fastest way to decode that keeps every layer, by the latency of a message "
        "and the model’s size. Dashed: right of it CQIL is faster than tensor parallelism (TP), "
        "the only way here that changes no output. Full: right of it, deleting layers down to "
        "CQIL’s depth on one device is faster than all. LP: pairs inside TP. Dotted: presets.",
        lambda: break_even_map.break_even_map(load_machine(break_even_map.MACHINE)),
    )
    validation = cost_model.validation_table()
    return PageSection(
        "projection",
        "Where links decide (projected)",
        [READING, drawing, Fold(validation.title, [validation])],
    )
