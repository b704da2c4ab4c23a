"""Progress as plain lines, so that several jobs can report at the same time and into log files."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


class Progress(tqdm):
    """tqdm that prints a line every few seconds instead of redrawing one."""

    _last_line = ""

    def __init__(self, label: str, total: int, unit: str, **kwargs: Any) -> None:
        bar = "{desc}: {n_fmt}/{total_fmt} {unit} ({percentage:.0f}%), {remaining} left"
        super().__init__(
            desc=label,
            total=total,
            unit=unit,
            mininterval=5,
            bar_format=bar,
            disable=False,
            **kwargs,
        )

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Prints the line where it has changed."""
        line = str(self) if msg is None else msg
        if line and line != self._last_line:
            self._last_line = line
            print(line, file=sys.stderr, flush=True)

    def to(self, done: int) -> None:
        """Sets the progress to `done` units."""
        self.update(done - self.n)
