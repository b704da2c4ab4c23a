"""Progress as plain lines, so that several jobs can report side by side and into log files."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


class Progress(tqdm):
    """tqdm that prints a line every few seconds instead of redrawing one."""

    _last = ""

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
        line = str(self) if msg is None else msg
        if line and line != self._last:
            self._last = line
            print(line, file=sys.stderr, flush=True)

    def to(self, done: int) -> None:
        """Progress has come to `done` units."""
        self.update(done - self.n)
