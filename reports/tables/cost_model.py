"""Predictions of the cost model beside published and measured times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.cost_model.machine import load_machine
from benchmarks.cost_model.model_shapes import SHAPES, ModelShape, shape_named
from benchmarks.cost_model.validation import ComparedRow, measured_rows, published_rows
from benchmarks.results.engine_bench_record import EngineBench, read_bench
from reports.data.number_format import signed_percent
from reports.tables.table import Table

PUBLISHED_WITHIN, MEASURED_WITHIN = 0.10, 0.15
"""Deviations that count as close, by what the predictions are compared with."""


def published_markdown() -> str:
    """Predictions of gpt-fast's and Ladder-Residual's tables, as Markdown."""
    return _markdown(
        "Cost model against published speeds", published_rows(), PUBLISHED_WITHIN, "published"
    )


def measured_markdown(probe: Path, bench: Path, shape: str | None) -> str:
    """Predictions of a bench from a probe of the same machine, as Markdown.

    `shape` names the bench's model where its own name is not among SHAPES. Raises ValueError with
    one line for files that hold something else and for an unknown shape.
    """
    measured, machine = read_bench(bench), load_machine(str(probe))
    rows = list(measured_rows(measured, _shape(shape or measured.model.name), machine))
    title = f"Cost model, probed on {machine.title}, against a bench on {_hardware(measured)}"
    return _markdown(title, rows, MEASURED_WITHIN, "measured")


def _shape(name: str) -> ModelShape:
    """The shape whose name begins the model's: names of embedded models continue it."""
    for known, shape in SHAPES.items():
        if name.lower().startswith(known.lower()):
            return shape
    return shape_named(name)


def _hardware(bench: EngineBench) -> str:
    hardware = bench.provenance.hardware
    return ", ".join(hardware.accelerators) or f"{hardware.cores} cores of {hardware.cpu}"


def _markdown(title: str, rows: Sequence[ComparedRow], within: float, compared_with: str) -> str:
    body = _shown(rows, compared_with).to_markdown(index=False, disable_numparse=True)
    return f"# {title}\n\n" + "\n".join(verdicts(rows, within)) + f"\n\n{body}\n"


def verdicts(rows: Sequence[ComparedRow], within: float) -> Iterator[str]:
    """How many rows that were not fitted lie within the share, by table and batch."""
    for table in dict.fromkeys(row.table for row in rows):
        for single in (True, False):
            compared = [
                row
                for row in rows
                if row.table == table and not row.fitted and _is_single(row) == single
            ]
            if compared:
                close = sum(row.within(within) for row in compared)
                batch = "batch 1" if single else "larger batches"
                worst = max(compared, key=lambda row: abs(row.deviation))
                yield (
                    f"- {table}, {batch}: {close} of {len(compared)} predictions within "
                    f"{100 * within:g} %; the worst, {worst.row} on {worst.ranks}, is "
                    f"{signed_percent(worst.deviation)} off."
                )


def _is_single(row: ComparedRow) -> bool:
    """Whether it is of batch 1."""
    return "batch" not in row.row or "batch 1," in row.row


def _shown(rows: Sequence[ComparedRow], compared_with: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "table": [row.table for row in rows],
            "row": [row.row for row in rows],
            "ranks": [row.ranks for row in rows],
            "predicted": [f"{row.predicted:.1f} {row.unit}" for row in rows],
            compared_with: [f"{row.measured:.1f} {row.unit}" for row in rows],
            "deviation": [signed_percent(row.deviation) for row in rows],
            "counts": ["fitted, does not count" if row.fitted else "yes" for row in rows],
        }
    )


def validation_table() -> Table:
    """The published rows for the report's page."""
    rows = published_rows()
    data = pd.DataFrame(
        {
            "table": row.table,
            "row": row.row,
            "ranks": row.ranks,
            "predicted": row.predicted,
            "published": row.measured,
            "deviation": row.deviation,
            "fitted": row.fitted,
        }
        for row in rows
    )
    note = " ".join(line.removeprefix("- ") for line in verdicts(rows, PUBLISHED_WITHIN))
    return Table(
        "cost-model", "Cost model against published speeds", data, _shown(rows, "published"), note
    )
