"""The cost model beside the truth, as Markdown:

python -m reports.cost published --out FILE.md          what others published
python -m reports.cost measured PROBE BENCH --out FILE.md   what was measured on one machine
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from pydantic import ValidationError

from benchmarks.cost_model.machine import load_machine
from benchmarks.cost_model.shapes import SHAPES, Shape
from benchmarks.cost_model.validation import Compared, measured_rows, published_rows
from benchmarks.files import write_atomically
from benchmarks.record import Bench
from cqil.commands import run
from reports.tables import Table

PUBLISHED_WITHIN, MEASURED_WITHIN = 0.10, 0.15

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
Out = Annotated[Path, typer.Option(help="Markdown file to write")]


@app.command()
def published(out: Out) -> None:
    """Predict gpt-fast's and Ladder-Residual's tables."""
    _write(out, "Cost model against published speeds", published_rows(), PUBLISHED_WITHIN)


@app.command()
def measured(
    probe: Annotated[Path, typer.Argument(help="What `make probe` has written")],
    bench: Annotated[Path, typer.Argument(help="What `make bench` has written, same machine")],
    out: Out,
    shape: Annotated[str | None, typer.Option(help="Of the bench's model, if not SmolLM2")] = None,
) -> None:
    """Predict a bench from a probe of the same machine."""
    try:
        arms = Bench.model_validate_json(bench.read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{bench}: is no bench ({reason}); run make bench") from None
    machine = load_machine(str(probe))
    rows = list(measured_rows(arms, _shape(shape or arms.model.name), machine))
    title = f"Cost model, probed on {machine.title}, against a bench on {_where(arms)}"
    _write(out, title, rows, MEASURED_WITHIN)


def _shape(name: str) -> Shape:
    """The table's entry; an embedded model's name continues it."""
    for known, shape in SHAPES.items():
        if name.lower().startswith(known.lower()):
            return shape
    raise ValueError(f"shape: {name!r} is unknown; use one of {', '.join(SHAPES)}")


def _where(bench: Bench) -> str:
    hardware = bench.provenance.hardware
    return ", ".join(hardware.accelerators) or f"{hardware.cores} cores of {hardware.cpu}"


def _write(out: Path, title: str, rows: Sequence[Compared], within: float) -> None:
    text = f"# {title}\n\n" + "\n".join(verdicts(rows, within)) + "\n\n"
    text += _frame(rows).to_markdown(index=False, disable_numparse=True) + "\n"
    write_atomically(out, text)
    typer.echo(text)


def verdicts(rows: Sequence[Compared], within: float) -> Iterator[str]:
    """How many rows that were not fitted lie within the share, by table and batch."""
    for table in dict.fromkeys(row.table for row in rows):
        for single in (True, False):
            own = [r for r in rows if r.table == table and r.counts and _single(r) == single]
            if own:
                close = sum(row.within(within) for row in own)
                batch = "batch 1" if single else "larger batches"
                worst = max(own, key=lambda row: abs(row.deviation))
                yield (
                    f"- {table}, {batch}: {close} of {len(own)} predictions within "
                    f"{100 * within:g} %; the worst, {worst.row} on {worst.ranks}, is "
                    f"{_percent(worst.deviation)} off."
                )


def _single(row: Compared) -> bool:
    return "batch" not in row.row or "batch 1," in row.row


def _frame(rows: Sequence[Compared]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "table": [row.table for row in rows],
            "row": [row.row for row in rows],
            "ranks": [row.ranks for row in rows],
            "predicted": [f"{row.predicted:.1f} {row.unit}" for row in rows],
            "measured": [f"{row.found:.1f} {row.unit}" for row in rows],
            "deviation": [_percent(row.deviation) for row in rows],
            "why": [row.remark if row.counts else "fitted, does not count" for row in rows],
        }
    )


def validation_table() -> Table:
    """The published rows for the report's page."""
    rows = published_rows()
    data = pd.DataFrame(
        [
            {
                "table": row.table,
                "row": row.row,
                "ranks": row.ranks,
                "predicted": row.predicted,
                "published": row.found,
                "deviation": row.deviation,
                "fitted": not row.counts,
            }
            for row in rows
        ]
    )
    note = " ".join(line.removeprefix("- ") for line in verdicts(rows, PUBLISHED_WITHIN))
    return Table("cost-model", "Cost model against published speeds", data, _frame(rows), note)


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %".replace("-", "−")


if __name__ == "__main__":
    run(app)
