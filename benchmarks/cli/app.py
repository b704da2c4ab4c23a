"""The command line of `python -m benchmarks`."""

from __future__ import annotations

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="One command for each rule of the workflow and for make targets.",
)
