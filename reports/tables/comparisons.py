"""Tables of paired comparisons, and of what was not measured."""

from __future__ import annotations

import pandas as pd

from benchmarks.results.statistics import Estimate
from reports.data.number_format import times, with_interval
from reports.data.results import Results
from reports.tables.table import Table


def removal_table(comparison: pd.DataFrame) -> Table:
    """Grouping against removal at the same depth; `comparison` of `removal_at_same_depth`."""
    shown = pd.DataFrame(
        {
            "depth": comparison["depth"].map("{:g}".format),
            "grouped": comparison["grouped"],
            "removal": comparison["removal"],
            "perplexity, removal / grouped": comparison["ratio"].map(_factor),
            "removal is": comparison["verdict"],
        }
    )
    note = "All texts, paired over the same windows; above ×1 the grouped plan is better."
    return Table("grouping-or-removal", "Grouping or removal", comparison, shown, note)


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
