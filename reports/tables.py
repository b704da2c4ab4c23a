"""The report's tables: numbers for machines (CSV), and the same for people (Markdown, HTML)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from benchmarks.files import write_atomically
from benchmarks.statistics import Estimate
from reports import numbers
from reports.latex import latex
from reports.load import Results, Variant
from reports.measures import DENSE
from reports.style import FAMILIES


@dataclass(frozen=True)
class Table:
    """One table; every cell of `shown` is text."""

    name: str
    title: str
    data: pd.DataFrame
    """For the CSV: each estimate is spread over value, _low and _high."""
    shown: pd.DataFrame
    note: str = ""
    place: Literal["both", "page", "file"] = "both"
    """Where it appears."""

    def write(self, folder: Path) -> list[Path]:
        """CSV, Markdown and LaTeX; returns their paths."""
        body = self.shown.to_markdown(index=False, disable_numparse=True)
        texts = {
            "csv": spread(self.data).to_csv(index=False),
            "md": "\n\n".join(filter(None, [f"# {self.title}", body, self.note])) + "\n",
            "tex": latex(self.shown, self.title, self.note),
        }
        for kind, text in texts.items():
            write_atomically(folder / f"{self.name}.{kind}", text)
        return [folder / f"{self.name}.{kind}" for kind in texts]


def spread(frame: pd.DataFrame) -> pd.DataFrame:
    """Each column of estimates as three columns of numbers."""
    columns: dict[str, Any] = {}
    for name, values in frame.items():
        if not any(isinstance(value, Estimate) for value in values):
            columns[str(name)] = values
            continue
        columns[str(name)] = [estimate.value for estimate in values]
        columns[f"{name}_low"] = [estimate.low for estimate in values]
        columns[f"{name}_high"] = [estimate.high for estimate in values]
    return pd.DataFrame(columns)


def identity(variant: Variant) -> dict[str, str]:
    """The columns that every table of variants begins with."""
    return {
        "variant": variant.name,
        "family": FAMILIES[variant.family],
        "depth": f"{variant.depth:g}",
    }


def find(frame: pd.DataFrame, variant: str, key: str, value: str) -> pd.Series | None:
    """The variant's row for one text, task or phase."""
    found = (frame["variant"].to_numpy() == variant) & (frame[key].to_numpy() == value)
    return frame.iloc[found.argmax()] if found.any() else None


def lost(results: Results, variant: Variant, measurements: list[str]) -> str:
    """What stands in place of a number that is not there: skipped, failed or missing."""
    gone = results.missing[results.missing["variant"] == variant.name]
    gone = gone[gone["measurement"].isin(measurements)]
    return gone["status"].iloc[0] if len(gone) else "–"


def to_dense(estimate: Estimate, variant: Variant, number: Callable[[float], str]) -> str:
    """Dense compared with itself is exact, so it gets no interval."""
    if variant.name == DENSE:
        return number(estimate.value)
    return numbers.with_interval(estimate, number)


def removal_table(comparison: pd.DataFrame) -> Table:
    """Grouping against removal at the same depth."""
    shown = pd.DataFrame(
        {
            "depth": comparison["depth"].map("{:g}".format),
            "grouped": comparison["grouped"],
            "removal": comparison["removal"],
            "perplexity, removal / grouped": [
                numbers.with_interval(ratio, numbers.times) for ratio in comparison["ratio"]
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
            "perplexity": comparison["perplexity"].map(numbers.with_interval),
            "/ no bypass": [
                "–" if name == without else numbers.with_interval(ratio, numbers.times)
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
