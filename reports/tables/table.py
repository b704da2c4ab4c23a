"""The report's tables: numbers for machines (CSV), and the same for people (Markdown, LaTeX)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from benchmarks.config.sections import REFERENCE
from benchmarks.results.files import write_atomically
from benchmarks.results.statistics import Estimate
from reports.data import number_format
from reports.data.labels import family_name
from reports.data.results import ReportedVariant, Results
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
    shown_in: Literal["both", "page", "file"] = "both"
    """On the page and as files, or one of them."""

    @property
    def csv(self) -> str:
        """The data as CSV."""
        return spread_estimates(self.data).to_csv(index=False)

    @property
    def csv_link(self) -> str:
        """The data as a link that holds them, since the page stands alone."""
        return f"data:text/csv;base64,{b64encode(self.csv.encode()).decode()}"

    def write(self, folder: Path) -> list[Path]:
        """CSV, Markdown and LaTeX; returns their paths."""
        body = self.shown.to_markdown(index=False, disable_numparse=True)
        texts = {
            "csv": self.csv,
            "md": "\n\n".join(filter(None, [f"# {self.title}", body, self.note])) + "\n",
            "tex": latex(self.shown, self.title, self.note),
        }
        for suffix, text in texts.items():
            write_atomically(folder / f"{self.name}.{suffix}", text)
        return [folder / f"{self.name}.{suffix}" for suffix in texts]


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
        "family": family_name(variant.family),
        "depth": f"{variant.depth:g}",
    }


def missing_cell(results: Results, variant: str, measurements: Sequence[str]) -> str:
    """What stands in place of a number that is not there: skipped, failed or missing."""
    missing = results.missing
    missing = missing[
        (missing["variant"] == variant) & missing["measurement"].isin(list(measurements))
    ]
    return missing["status"].iloc[0] if len(missing) else "–"


def to_dense(estimate: Estimate, variant: ReportedVariant, number: Callable[[float], str]) -> str:
    """A comparison with dense; that of dense with itself is exact, so it gets no interval."""
    if variant.name == REFERENCE:
        return number(estimate.value)
    return number_format.with_interval(estimate, number)
