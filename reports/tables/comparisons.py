"""Tables of paired comparisons, and of what was not measured."""

from __future__ import annotations

import math

import pandas as pd

from benchmarks.results.statistics import Estimate
from reports.data.number_format import points_with_interval, times, with_interval
from reports.data.results import Results
from reports.tables.table import Table

GROUPS_ARE = {"higher": "better", "lower": "worse", "not distinguishable": "not told apart"}
"""The side of an estimate that favours groups above its neutral value -> what groups are."""


def removal_table(pairs: pd.DataFrame, name: str, title: str) -> Table:
    """Groups against removal at the same depth, in both measures; rows of `removal_pairs`."""
    shown = pd.DataFrame(
        {
            "depth": pairs["depth"].map("{:g}".format),
            "groups": pairs["grouped"],
            "removal": pairs["removal"],
            "perplexity, removal / groups": pairs["ratio"].map(_factor),
            "by perplexity": pairs["verdict"].map(GROUPS_ARE),
            "accuracy, groups − removal, points": pairs["accuracy_difference"].map(
                points_with_interval
            ),
            "by accuracy": [
                "–" if math.isnan(difference.value) else GROUPS_ARE[difference.verdict(0)]
                for difference in pairs["accuracy_difference"]
            ],
        }
    )
    note = (
        "Perplexity over all texts, paired over windows; above ×1 groups are better. Accuracy: "
        "mean over tasks, paired over documents; above 0 groups are better. Of several bypasses of "
        "the same groups the one with the lowest perplexity on these windows stands for them."
    )
    return Table(name, title, pairs, shown, note)


def bypass_table(comparison: pd.DataFrame) -> Table:
    """The bypass modes over the same groups; `comparison` of `bypass_modes`."""
    is_plain = comparison["variant"] == comparison["without"]
    shown = pd.DataFrame(
        {
            "groups of": comparison["group_size"].astype(str),
            "depth": comparison["depth"].map("{:g}".format),
            "bypass": comparison["bypass"],
            "variant": comparison["variant"],
            "perplexity": comparison["perplexity"].map(with_interval),
            "/ no bypass": comparison["ratio"].map(_factor).mask(is_plain, "–"),
        }
    )
    note = (
        "Same groups, all texts, paired over the same windows. ffn: attention outputs reach the "
        "next layer's MLP; ffn+residual: they are also added to the residual and so counted twice, "
        "as in the released CQIL code."
    )
    return Table("bypass", "Attention bypass", comparison, shown, note)


def _factor(ratio: Estimate) -> str:
    return with_interval(ratio, times)


def missing_table(results: Results) -> Table:
    """What has no number, and why; variants that share a reason share a row."""
    keys = ["measurement", "status", "reason"]
    shown = results.missing.groupby(keys, sort=False)["variant"].agg(", ".join).reset_index()
    return Table("missing", "Not measured", results.missing, shown)
