"""Tables of every rule at every depth, and of dynamic programming against the others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmarks.results.statistics import NO_ESTIMATE
from reports.data.labels import FAMILIES
from reports.data.results_folder import Results
from reports.estimates.quality import ALL, MEAN
from reports.estimates.rule_curves import rule_curves
from reports.figures.axes import by_variant
from reports.tables.number_format import times, with_error, with_interval
from reports.tables.table import Table

VERDICTS = {"higher": "better", "not distinguishable": "not distinguishable", "lower": "worse"}


def curves_table(results: Results, perplexities: pd.DataFrame, accuracies: pd.DataFrame) -> Table:
    """Rules by depths: perplexity with its interval, mean accuracy with its standard error."""
    families = rule_curves(results)
    depths = sorted(
        {d for rules in families.values() for names in rules.values() for d in names}, reverse=True
    )
    quality = by_variant(perplexities[perplexities["text"] == ALL], "perplexity")
    means = accuracies[accuracies["task"] == MEAN].set_index("variant")
    data, shown = [], []
    for family, rules in families.items():
        for rule, names in rules.items():
            values: dict[str, object] = {"rule": rule, "family": FAMILIES[family]}
            words: dict[str, object] = dict(values)
            for depth in depths:
                name, head = names.get(depth, ""), f"depth {depth:g}"
                estimate = quality.get(name, NO_ESTIMATE)
                values[head] = estimate
                words[head] = with_interval(estimate) if name in quality else "–"
                if name in means.index:
                    share = means.loc[name, "headline"].value
                    error = means.loc[name, "headline_se"]
                    values |= {f"{head}: accuracy": share, f"{head}: standard error": error}
                    words[head] = f"{words[head]}; {with_error(share, error)} %"
            data.append(values)
            shown.append(words)
    note = (
        "Perplexity over all texts with its interval; then mean accuracy over tasks with one "
        "standard error, where tasks were run."
    )
    frame = pd.DataFrame(data)
    return Table("rules", "Every rule at every depth", frame, pd.DataFrame(shown), note)


def searched_table(comparison: pd.DataFrame) -> Table:
    """What dynamic programming chose against the best of the others, at equal depth."""
    shown = pd.DataFrame(
        {
            "depth": comparison["depth"].map("{:g}".format),
            "variant": comparison["variant"],
            "against": comparison["kind"],
            "which": comparison["other"],
            "its perplexity": comparison["ratio"].map(lambda r: with_interval(r, times)),
            "verdict": comparison["verdict"].map(VERDICTS),
            "summed costs": comparison.apply(_against, axis=1, by="summed"),
            "measured loss": comparison.apply(_against, axis=1, by="excess"),
        }
    )
    note = (
        "Perplexity of the other over that of the variant, paired over the same windows: above ×1 "
        "the variant is better. The other is the best of its kind on these very windows, which "
        "favours it. Summed costs: nats that the search adds up for its own plan and for the "
        "other, each change measured alone on calibration text. Measured loss: nats a token above "
        "dense, of both."
    )
    return Table("dynamic", "Dynamic programming against the best rule", comparison, shown, note)


def _against(row: pd.Series[Any], by: str) -> str:
    own, other = row[f"own_{by}"], row[f"other_{by}"]
    return "–" if math.isnan(own + other) else f"{own:.2f} against {other:.2f}"


def searched_findings(comparison: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """One finding for each kind of rival."""
    for kind, rows in comparison.groupby("kind", sort=False):
        better = [f"{depth:g}" for depth in rows.loc[rows["verdict"] == "higher", "depth"]]
        ratios = ", ".join(
            f"depth {depth:g} {with_interval(ratio, times)} ({other})"
            for depth, ratio, other in zip(rows["depth"], rows["ratio"], rows["other"], strict=True)
        )
        where = f"at {len(better)} of {len(rows)} depths"
        yield (
            f"Dynamic programming is better than the {kind} {where}.",
            f"The other’s perplexity over its own: {ratios}.{_why_worse(rows)}",
        )


def _why_worse(rows: pd.DataFrame) -> str:
    """Where the plan that promised less loss has more, changes did not add up."""
    misled = rows[(rows["verdict"] == "lower") & (rows["own_summed"] < rows["other_summed"])]
    if misled.empty:
        return ""
    said = "; ".join(
        f"depth {row['depth']:g}: summed {_against(row, 'summed')}, "
        f"measured {_against(row, 'excess')} nats"
        for _, row in misled.iterrows()
    )
    return f" Where it is worse its costs promised less loss, but they do not add up ({said})."
