"""The table of written texts: BLEU, chrF and ROUGE beside references, and the difference to dense."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.results.statistics import Estimate
from reports.data.labels import FAMILIES
from reports.data.results_folder import ReportedVariant, Results
from reports.estimates.text_scores import COMPARED, SCORES
from reports.tables import number_format
from reports.tables.table import Table, missing_cell, to_dense
from reports.text.background import machines

NOTE = (
    "Greedy answers of the engine; decode depth: mean over the generated tokens after the first. "
    "BLEU is of the corpus (sacreBLEU), chrF and ROUGE are means over documents (F-measures, "
    "stemmed); 0 to 100, intervals in brackets, differences over the same documents. Near dense: "
    "ROUGE-L of a variant’s text against dense’s, which tells more than references do where the "
    "model answers badly; same: share of documents whose tokens are all dense’s."
)


def generation_table(results: Results, generations: pd.DataFrame) -> Table:
    """One row a task and variant; scores that no task of the run has are left out."""
    rows = [
        _row(results, generations, task, variant)
        for task in results.config["generation"]["tasks"]
        for variant in results.variants.values()
    ]
    unused = [
        head
        for names, suffix in ((SCORES, ""), (COMPARED, "_difference"))
        for score, head in names.items()
        if all(np.isnan(estimate.value) for estimate in generations[f"{score}{suffix}"])
    ]
    shown = pd.DataFrame(rows).drop(columns=unused, errors="ignore")
    note = f"{NOTE} Measured on: {'; '.join(machines(results)) or 'nothing'}."
    return Table("generation", "Written texts", generations, shown, note)


def _row(
    results: Results, generations: pd.DataFrame, task: str, variant: ReportedVariant
) -> dict[str, str]:
    row = {"task": task, "variant": variant.name, "family": FAMILIES[variant.family]}
    found = generations[(generations["task"] == task) & (generations["variant"] == variant.name)]
    if found.empty:
        gone = missing_cell(results, variant, [f"generation/{task}"])
        heads = ["decode depth", "documents", "tokens", *SCORES.values(), *COMPARED.values()]
        return row | dict.fromkeys([*heads, "near dense", "same, %"], gone)
    own = found.iloc[0]
    row |= {
        "decode depth": number_format.significant(own["decode_depth"]),
        "documents": str(own["documents"]),
        "tokens": number_format.significant(own["tokens"]),
    }
    row |= {head: _cell(own[score], _tenths) for score, head in SCORES.items()}
    row |= {
        head: to_dense(own[f"{score}_difference"], variant, number_format.points)
        for score, head in COMPARED.items()
    }
    return row | {
        "near dense": to_dense(own["near_dense"], variant, _tenths),
        "same, %": number_format.percent(own["same"].value),
    }


def _cell(estimate: Estimate, number: Callable[[float], str]) -> str:
    return number_format.with_interval(estimate, number)


def _tenths(value: float) -> str:
    return number_format.NOT_AVAILABLE if np.isnan(value) else f"{value:.1f}"
