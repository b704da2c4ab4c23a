"""How much of what a plan loses comes back when its weights are healed."""

from __future__ import annotations

from reports.data.measured_on import healing_machines, scoring_machines
from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.figures.recovery import recovery_curves
from reports.page.section import Block, Drawing, PageSection
from reports.tables.healed_pairs import healed_removal_table, ways_table
from reports.tables.recovery import recovery_table
from reports.text import recovery

READING = (
    "Healing fits the weights to the plan: a refit solves for them in closed form, LoRA and full "
    "training are trained on the text that heals. The plan stays, so a healed variant runs as fast "
    "as its unhealed twin. All other comparisons on this page leave healed variants out."
)
UNKNOWN = "No share of a gap is known here: a twin or dense has no perplexity, or nothing was lost."


def section(results: Results, estimates: Estimates) -> PageSection | None:
    """Sentences, the figure and the tables; None where no variant is healed."""
    if not results.healed:
        return None
    recoveries, removal = estimates.recoveries, estimates.healed_removal
    sentences = [
        *recovery.recovery_sentences(recoveries),
        *recovery.pairs_sentence(removal),
    ]
    blocks: list[Block] = [
        READING,
        *(sentences or [UNKNOWN]),
        _where(results),
        recovery_table(results, recoveries),
        _course(results),
        healed_removal_table(results, removal),
        ways_table(results, estimates.ways, recoveries),
    ]
    return PageSection("recovery", "Recovery", blocks)


def _where(results: Results) -> str:
    healed_on = healing_machines(results)
    return (
        f"{f'Healed on: {healed_on}. ' if healed_on else ''}Scored on: {scoring_machines(results)}."
    )


def _course(results: Results) -> Drawing:
    return Drawing(
        "recovery-course",
        "Loss of held-out text above dense, against tokens and minutes of healing",
        "Cross-entropy a token of held-out calibration text, which no step is trained on, above "
        "that of dense. Bar: unhealed; marker: the end of a step. A later step goes on where "
        "the one before it ended. The colour shows the family, the marker the plan, the line the "
        "way. "
        f"Healed on: {healing_machines(results)}.",
        lambda: recovery_curves(results),
        otherwise="No course of healing is recorded: adapters were trained by others.",
    )
