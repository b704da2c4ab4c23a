"""Tables of scores: all variants side by side, perplexity by text, accuracy by task."""

from __future__ import annotations

import math

import pandas as pd

from reports.data import number_format
from reports.data.measured_on import machines
from reports.data.results import ReportedVariant, Results
from reports.estimates.quality import ALL, MEAN
from reports.estimates.rows import find_row
from reports.tables.table import Table, identity, missing_cell, spread_estimates, to_dense

DIFFERENCE_HEAD = "− dense, points"
FIRST_TOKEN = "the first scored token is predicted by the full-depth prompt pass"


def variants_table(results: Results, perplexities: pd.DataFrame, accuracies: pd.DataFrame) -> Table:
    """One row a variant with all its scores."""
    # The mean is last in the frame and first on the page, where it is seen without scrolling.
    tasks = sorted(accuracies["task"].unique(), key=lambda task: task != MEAN)
    heads = {task: _head(accuracies, task) for task in tasks}
    rows = [
        identity(variant)
        | {"plan": variant.plan.slug}
        | _perplexity_cells(results, perplexities, variant)
        | _accuracy_cells(results, accuracies, variant, heads)
        for variant in results.variants.values()
    ]
    note = (
        "Perplexity over all texts, interval in brackets; × dense: ratio of perplexities, paired "
        f"over the same windows. {_accuracy_note(accuracies)} "
        f"Measured on: {'; '.join(machines(results)) or 'nothing'}."
    )
    data = _variants_data(results, perplexities, accuracies)
    return Table("variants", "All variants", data, pd.DataFrame(rows), note)


def _perplexity_cells(
    results: Results, perplexities: pd.DataFrame, variant: ReportedVariant
) -> dict[str, str]:
    row = find_row(perplexities, variant.name, "text", ALL)
    if row is None:
        heads = ("perplexity", "× dense", "bits/byte")
        return dict.fromkeys(heads, missing_cell(results, variant.name, ["perplexity"]))
    return {
        "perplexity": number_format.with_interval(row["perplexity"]),
        "× dense": to_dense(row["ratio"], variant, number_format.times),
        "bits/byte": number_format.significant(row["bits_per_byte"]),
    }


def _accuracy_cells(
    results: Results, accuracies: pd.DataFrame, variant: ReportedVariant, heads: dict[str, str]
) -> dict[str, str]:
    """A cell a task; beside the mean stands its difference to dense."""
    cells: dict[str, str] = {}
    missing = missing_cell(results, variant.name, list(results.config["multiple_choice"]))
    for task, head in heads.items():
        row = find_row(accuracies, variant.name, "task", task)
        cells[head] = missing
        if row is not None:
            cells[head] = number_format.with_error(row["headline"].value, row["headline_se"])
        if task == MEAN:
            cells[DIFFERENCE_HEAD] = missing
            if row is not None:
                difference = to_dense(row["difference"], variant, number_format.points)
                cells[DIFFERENCE_HEAD] = difference
    return cells


def _head(accuracies: pd.DataFrame, task: str) -> str:
    """The task, whether its accuracy is length-normalised, and on how many documents."""
    rows = accuracies[accuracies["task"] == task]
    normalised = " (norm)" if rows["acc_norm"].notna().any() else ""
    documents = "/".join(map(str, sorted(rows["documents"].unique())))
    return f"{task}{normalised}, {documents} documents"


def _accuracy_note(accuracies: pd.DataFrame) -> str:
    """How to read it, and where skipping cannot show what it costs."""
    shares = accuracies[accuracies["task"] != MEAN].groupby("task", sort=False)["one_token"].first()
    if shares.empty:
        return f"Skipping: {FIRST_TOKEN}."
    text = (
        "Accuracy in percent ± one standard error; (norm): length-normalised. The difference is of "
        f"the mean over tasks, paired over documents. Skipping: {FIRST_TOKEN}; documents whose "
        "choices are all one token long: "
    )
    text += ", ".join(f"{task} {100 * share:.0f} %" for task, share in shares.items()) + "."
    without_decoding = [task for task, share in shares.items() if share == 1]
    if without_decoding:
        text += f" So {' and '.join(without_decoding)} cannot show any harm of skipping."
    return text


def _variants_data(
    results: Results, perplexities: pd.DataFrame, accuracies: pd.DataFrame
) -> pd.DataFrame:
    """Plans and scores over all texts and tasks, one row a variant; NaN where not measured."""
    plans = pd.DataFrame(
        {
            "variant": variant.name,
            "family": variant.family,
            "method": variant.method,
            "slug": variant.plan.slug,
            "depth": variant.depth,
            "ideal_speedup": variant.plan.num_layers / variant.depth,
        }
        for variant in results.variants.values()
    )
    pooled = spread_estimates(perplexities[perplexities["text"] == ALL].drop(columns="text"))
    means = accuracies[accuracies["task"] == MEAN][["variant", "headline", "difference"]]
    means = means.rename(columns={"headline": "accuracy", "difference": "accuracy_difference"})
    return plans.merge(pooled, how="left").merge(spread_estimates(means), how="left")


def perplexity_table(perplexities: pd.DataFrame) -> Table:
    """One row a variant, one column a text."""
    cells = perplexities.assign(cell=perplexities["perplexity"].map(number_format.with_interval))
    shown = cells.pivot(index="variant", columns="text", values="cell")
    # A pivot sorts; the table keeps the order of the configuration.
    variants, texts = perplexities["variant"].unique(), perplexities["text"].unique()
    shown = shown.reindex(index=variants, columns=texts).reset_index()
    return Table("perplexity", "Perplexity by text", perplexities, shown)


def accuracy_table(accuracies: pd.DataFrame) -> Table:
    """One row a variant and task, with both of lm-eval's metrics."""
    shown = pd.DataFrame(
        {
            "variant": accuracies["variant"],
            "task": accuracies["task"],
            "documents": accuracies["documents"].astype(str),
            "acc": list(map(number_format.with_error, accuracies["acc"], accuracies["acc_se"])),
            "acc_norm": list(
                map(number_format.with_error, accuracies["acc_norm"], accuracies["acc_norm_se"])
            ),
            "headline − dense, points": [
                number_format.with_interval(difference, number_format.points)
                for difference in accuracies["difference"]
            ],
            "right: it alone / dense alone": [
                "–" if math.isnan(p) else f"{variant:g} / {dense:g}"
                for variant, dense, p in accuracies[
                    ["only_variant", "only_dense", "p_value"]
                ].values
            ],
            "p, McNemar": [
                "–" if math.isnan(p) else number_format.probability(p)
                for p in accuracies["p_value"]
            ],
        }
    )
    note = (
        "Right alone: documents that one of the two has right and the other wrong, by the headline "
        "metric; p is McNemar’s exact two-sided one, for each row separately. In the mean every "
        "task has the same weight."
    )
    return Table("accuracy", "Accuracy by task", accuracies, shown, note)
