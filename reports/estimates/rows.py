"""Rows of frames of estimates, by variant."""

from __future__ import annotations

import pandas as pd

from benchmarks.results.statistics import Estimate


def find_row(frame: pd.DataFrame, variant: str, key: str, value: str) -> pd.Series | None:
    """The variant's row for one text, task or phase; None where there is none."""
    matches = (frame["variant"].to_numpy() == variant) & (frame[key].to_numpy() == value)
    return frame.iloc[matches.argmax()] if matches.any() else None


def by_variant(frame: pd.DataFrame, column: str) -> dict[str, Estimate]:
    """Variant -> its estimate, of a frame with one row a variant."""
    return dict(zip(frame["variant"], frame[column], strict=True))
