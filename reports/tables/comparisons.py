"""Tables of paired comparisons, and of what was not measured."""

from __future__ import annotations

import pandas as pd

from reports.data.results_folder import Results
from reports.tables import number_format
from reports.tables.table import Table


def removal_table(comparison: pd.DataFrame) -> Table:
    """Grouping against removal at the same depth."""
    shown = pd.DataFrame(
        {
            "depth": comparison["depth"].map("{:g}".format),
            "grouped": comparison["grouped"],
            "removal": comparison["removal"],
            "perplexity, removal / grouped": [
                number_format.with_interval(ratio, number_format.times)
                for ratio in comparison["ratio"]
            ],
            "removal is": comparison["verdict"],
        }
    )
    note = "All texts, paired over the same windows; above ×1 the grouped plan is better."
    return Table("grouping-or-removal", "Grouping or removal", comparison, shown, note)


def bypass_table(comparison: pd.DataFrame) -> Table:
    """The bypass modes over the same groups."""
    shown = pd.DataFrame(
        {
            "groups of": comparison["group_size"].astype(str),
            "depth": comparison["depth"].map("{:g}".format),
            "bypass": comparison["bypass"],
            "variant": comparison["variant"],
            "perplexity": comparison["perplexity"].map(number_format.with_interval),
            "/ no bypass": [
                "–" if name == without else number_format.with_interval(ratio, number_format.times)
                for name, without, ratio in zip(
                    comparison["variant"], comparison["without"], comparison["ratio"], strict=True
                )
            ],
        }
    )
    note = (
        "Same groups, all texts, paired over the same windows. ffn: attention outputs reach the "
        "next layer's MLP; ffn+residual: they are added to the residual too and so counted twice, "
        "as the released CQIL code does."
    )
    return Table("bypass", "Attention bypass", comparison, shown, note)


def missing_table(results: Results) -> Table:
    """What has no number, and why; variants that share a reason share a row."""
    same = ["measurement", "status", "reason"]
    shown = results.missing.groupby(same, sort=False)["variant"].agg(", ".join).reset_index()
    return Table("missing", "Not measured", results.missing, shown)
