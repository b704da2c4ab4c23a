"""What healing brings back."""

from __future__ import annotations

from reports.answers.answer import Answer
from reports.data.results import Results
from reports.estimates.estimates import Estimates
from reports.text.recovery import recovery_finding

QUESTION = "What does healing bring back?"


def healing(results: Results, estimates: Estimates) -> Answer:
    """The largest share of each family; a run without healed variants says how to get them."""
    if not results.healed:
        return Answer(
            QUESTION,
            "Not measured in this run.",
            "CQIL’s published numbers are all after fine-tuning; “make heal” measures healed "
            "variants.",
        )
    finding = next(recovery_finding(results, estimates.recoveries, estimates.healed_removal), None)
    if finding is not None:
        return Answer(QUESTION, *finding)
    return Answer(QUESTION, "Not known.", "A twin or dense has no perplexity, or nothing was lost.")
