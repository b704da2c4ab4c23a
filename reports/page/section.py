"""A section of the page: paragraphs, figures and tables in order.

A section is made by a function of (results, estimates) in a module of `reports/page/sections/`.
Texts are plain strings, which the page escapes; `Markup` is not escaped. A figure is drawn when it
is first used, so that one figure can be made without the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from matplotlib.figure import Figure

from reports.figures.style import lay_out, paper
from reports.tables.table import Table


@dataclass(frozen=True)
class Drawing:
    """A figure with its texts."""

    name: str
    """Name of its files, and of `--only`."""
    title: str
    """The text alternative: what is drawn, in a few words."""
    caption: str
    draw: Callable[[], Figure | None]
    """None where the results hold nothing to draw."""
    otherwise: str = ""
    """What the page says where nothing is drawn."""

    @cached_property
    def figure(self) -> Figure | None:
        """The figure, laid out; None where the results hold nothing to draw."""
        with paper():
            figure = self.draw()
            if figure is not None:
                lay_out(figure)
        return figure


@dataclass(frozen=True)
class SideBySide:
    """Drawings side by side where the page is wide enough."""

    drawings: Sequence[Drawing]


@dataclass(frozen=True)
class Fold:
    """Blocks that are hidden until the reader opens them."""

    title: str
    blocks: Sequence[Block]
    opened: bool = False


@dataclass(frozen=True)
class Facts:
    """A list of names with their values."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class ShellCommand:
    """A command line, and what it does."""

    what: str
    line: str


Block = str | Drawing | SideBySide | Table | Fold | Facts | ShellCommand
"""A string is a paragraph. A table without rows is not shown."""


@dataclass(frozen=True)
class PageSection:
    """A heading with its blocks."""

    id: str
    title: str
    blocks: Sequence[Block]

    @property
    def drawings(self) -> list[Drawing]:
        """Its drawings, with those inside of other blocks."""
        return [block for block in flat(self.blocks) if isinstance(block, Drawing)]

    @property
    def tables(self) -> list[Table]:
        """Its tables, with those inside of other blocks."""
        return [block for block in flat(self.blocks) if isinstance(block, Table)]

    @property
    def names(self) -> set[str]:
        """Names of its drawings and tables, which `--only` accepts."""
        drawings = {drawing.name for drawing in self.drawings}
        return drawings | {table.name for table in self.tables}


def flat(blocks: Sequence[Block]) -> Iterator[Block]:
    """Every block, followed by the blocks inside of it."""
    for block in blocks:
        yield block
        if isinstance(block, Fold):
            yield from flat(block.blocks)
        elif isinstance(block, SideBySide):
            yield from block.drawings
