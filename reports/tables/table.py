"""The report's tables: numbers for machines (CSV), and the same for people (Markdown, HTML)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from benchmarks.results.files import write_atomically
from benchmarks.results.statistics import Estimate
from reports.data.labels import FAMILIES
from reports.data.results_folder import ReportedVariant, Results
from reports.estimates.quality import DENSE
from reports.tables import number_format
from reports.tables.latex import latex


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
            "csv": spread_estimates(self.data).to_csv(index=False),
            "md": "\n\n".join(filter(None, [f"# {self.title}", body, self.note])) + "\n",
            "tex": latex(self.shown, self.title, self.note),
        }
        for kind, text in texts.items():
            write_atomically(folder / f"{self.name}.{kind}", text)
        return [folder / f"{self.name}.{kind}" for kind in texts]


def spread_estimates(frame: pd.DataFrame) -> pd.DataFrame:
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


def identity(variant: ReportedVariant) -> dict[str, str]:
    """The columns that every table of variants begins with."""
    return {
        "variant": variant.name,
        "family": FAMILIES[variant.family],
        "depth": f"{variant.depth:g}",
    }


def find_row(frame: pd.DataFrame, variant: str, key: str, value: str) -> pd.Series | None:
    """The variant's row for one text, task or phase."""
    found = (frame["variant"].to_numpy() == variant) & (frame[key].to_numpy() == value)
    return frame.iloc[found.argmax()] if found.any() else None


def missing_cell(results: Results, variant: ReportedVariant, measurements: list[str]) -> str:
    """What stands in place of a number that is not there: skipped, failed or missing."""
    gone = results.missing[results.missing["variant"] == variant.name]
    gone = gone[gone["measurement"].isin(measurements)]
    return gone["status"].iloc[0] if len(gone) else "–"


def to_dense(estimate: Estimate, variant: ReportedVariant, number: Callable[[float], str]) -> str:
    """Dense compared with itself is exact, so it gets no interval."""
    if variant.name == DENSE:
        return number(estimate.value)
    return number_format.with_interval(estimate, number)
