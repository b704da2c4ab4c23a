"""`python -m reports --results DIR --out DIR`: page, figures and tables of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cqil.commands import run
from reports.page import write_only, write_report

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def report(
    results: Annotated[Path, typer.Option(help="Folder of a run, such as results/default")],
    out: Annotated[Path, typer.Option(help="Folder to write the report to")],
    only: Annotated[
        str | None, typer.Option(help="Name of the one figure or table to make; no page")
    ] = None,
) -> None:
    """Draw the report of a run from its result files."""
    if only is None:
        print(write_report(results, out))
    else:
        print(*write_only(results, out, only), sep="\n")


if __name__ == "__main__":
    run(app)
