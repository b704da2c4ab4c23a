"""How the project's commands end: bad input is one line on stderr and exit code 2."""

from __future__ import annotations

import os
import sys

import typer

from cqil.errors import one_line


def run_app(app: typer.Typer) -> None:
    """Runs a command line. CQIL_DEBUG=1 shows where an error came from."""
    try:
        app()
    except (ValueError, OSError) as error:
        if os.environ.get("CQIL_DEBUG"):
            raise
        print(f"error: {_message(error)}", file=sys.stderr)
        raise SystemExit(2) from None


def _message(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return one_line(error) or type(error).__name__
