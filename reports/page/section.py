"""A section of the page: what it says, draws and lists, in order. See `reports/sections/`.

A section is a function of (results, estimates) in a module of its own; the page loops over them.
Texts are plain strings, escaped by the page; `Markup` passes as it is. Figures are drawn when they
are asked for, so that one figure can be had without the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from matplotlib.figure import Figure

from reports.figures.style import paper
from reports.tables.table import Table


@dataclass(frozen=True)
class Drawing:
    """One figure; `name` is that of its files."""

    name: str
    title: str
    """The text alternative: what is drawn, in a few words."""
    caption: str
    draw: Callable[[], Figure | None]
    """None where the results hold nothing to draw."""
    otherwise: str = ""
    """What the page says then."""

    @cached_property
    def figure(self) -> Figure | None:
        """Laid out once, whatever it is saved as."""
        with paper():
            figure = self.draw()
            if figure is not None:
                figure.draw_without_rendering()
                figure.set_layout_engine("none")
            return figure


@dataclass(frozen=True)
class SideBySide:
    """Drawings side by side where the page is wide enough."""

    drawings: Sequence[Drawing]


@dataclass(frozen=True)
class Fold:
    """Folded until the reader opens it."""

    title: str
    blocks: Sequence[Block]
    opened: bool = False


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class ShellCommand:
    """What to type, and what it does."""

    what: str
    line: str


Block = str | Drawing | SideBySide | Table | Fold | Facts | ShellCommand
"""A string is a paragraph. A table without rows is not shown."""


@dataclass(frozen=True)
class PageSection:
    id: str
    title: str
    blocks: Sequence[Block]
    findings: Sequence[tuple[str, str]] = ()
    """For the summary at the top: a sentence in bold, and its numbers."""

    @property
    def drawings(self) -> list[Drawing]:
        return [block for block in flat(self.blocks) if isinstance(block, Drawing)]

    @property
    def tables(self) -> list[Table]:
        return [block for block in flat(self.blocks) if isinstance(block, Table)]

    @property
    def names(self) -> set[str]:
        """What `--only` takes."""
        return {block.name for block in (*self.drawings, *self.tables)}


def flat(blocks: Sequence[Block]) -> Iterator[Block]:
    """Every block, with those inside of rows and folds."""
    for block in blocks:
        yield block
        if isinstance(block, Fold):
            yield from flat(block.blocks)
        elif isinstance(block, SideBySide):
            yield from block.drawings
