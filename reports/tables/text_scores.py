"""The table of written texts: BLEU, chrF and ROUGE beside references, and the distance to dense."""

from __future__ import annotations

import math

import pandas as pd

from reports.data.labels import family_name
from reports.data.measured_on import machines
from reports.data.number_format import percent, points, significant, tenths, with_interval
from reports.data.results import ReportedVariant, Results
from reports.estimates.text_scores import COMPARED, SCORES
from reports.tables.table import Table, missing_cell, to_dense

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
        if all(math.isnan(estimate.value) for estimate in generations[f"{score}{suffix}"])
    ]
    shown = pd.DataFrame(rows).drop(columns=unused, errors="ignore")
    note = f"{NOTE} Measured on: {'; '.join(machines(results)) or 'nothing'}."
    return Table("generation", "Written texts", generations, shown, note)


def _row(
    results: Results, generations: pd.DataFrame, task: str, variant: ReportedVariant
) -> dict[str, str]:
    row = {"task": task, "variant": variant.name, "family": family_name(variant.family)}
    of_task = generations[generations["task"] == task]
    of_variant = of_task[of_task["variant"] == variant.name]
    if of_variant.empty:
        missing = missing_cell(results, variant.name, [f"generation/{task}"])
        heads = ["decode depth", "documents", "tokens", *SCORES.values(), *COMPARED.values()]
        return row | dict.fromkeys([*heads, "near dense", "same, %"], missing)
    scores = of_variant.iloc[0]
    row |= {
        "decode depth": significant(scores["decode_depth"]),
        "documents": str(scores["documents"]),
        "tokens": significant(scores["tokens"]),
    }
    row |= {head: with_interval(scores[score], tenths) for score, head in SCORES.items()}
    row |= {
        head: to_dense(scores[f"{score}_difference"], variant, points)
        for score, head in COMPARED.items()
    }
    return row | {
        "near dense": to_dense(scores["near_dense"], variant, tenths),
        "same, %": percent(scores["same"].value),
    }
