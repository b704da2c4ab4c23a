"""Every question of the box, in its order. A new question is a function and a name here."""

from __future__ import annotations

from collections.abc import Iterator

from reports.answers.answer import Answer
from reports.answers.bypass import bypass
from reports.answers.healing import healing
from reports.answers.quality import grouping_or_removal, quality_cost
from reports.answers.search import searched
from reports.answers.time_saved import time_saved
from reports.answers.trust import trust
from reports.data.results import Results
from reports.estimates.estimates import Estimates

QUESTIONS = (trust, time_saved, quality_cost, grouping_or_removal, healing)


def answers(results: Results, estimates: Estimates) -> Iterator[Answer]:
    """The first questions are always answered, if only by what was not measured."""
    for question in QUESTIONS:
        yield question(results, estimates)
    yield from bypass(estimates.bypass)
    yield from searched(estimates.searched)
