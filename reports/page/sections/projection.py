"""What the cost model projects for machines that were not measured."""

from __future__ import annotations

from benchmarks.cost_model.fastest_methods import MACHINE
from benchmarks.cost_model.machine import load_machine
from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures.break_even_map import break_even_map
from reports.page.section import Drawing, Fold, PageSection
from reports.tables.cost_model import validation_table
from reports.text.projection import projection_sentences

READING = (
    "Nothing in this section was measured here. A cost model predicts the time of each method on "
    "several devices from what each rank reads and sends. The machines are presets with sources."
)


def section(results: Results, estimates: Estimates) -> PageSection:
    """The break-even map, and the cost model beside published speeds."""
    drawing = Drawing(
        "break-even",
        "Projected: the fastest method to decode, by message latency and model size",
        "Projected: the fastest method to decode that keeps every layer, by the latency of a "
        "message and the size of the model. Right of the dashed line CQIL is faster than tensor "
        "parallelism (TP), the only method here that changes no output. Right of the solid line, "
        "removing layers down to CQIL’s depth on one device is faster than all of them. LP: pairs "
        "inside TP. Dotted: presets.",
        lambda: break_even_map(load_machine(MACHINE), panels=estimates.projected_panels),
    )
    validation = validation_table()
    return PageSection(
        "projection",
        "Other machines (projected)",
        [
            READING,
            *projection_sentences(estimates.projected_panels, estimates.removal_pairs),
            drawing,
            Fold(validation.title, [validation]),
        ],
    )
