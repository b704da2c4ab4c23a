"""A ladder on one rank: while half a layer is computed, the output of the half before is summed.

Shape suffixes: B sequences, T tokens, H hidden size, N = B x T, D head size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist

from cqil.engine.attention import Span
from cqil.engine.layout import Ranks
from cqil.engine.links import Links
from cqil.engine.stage import StageRunner


class Late(NamedTuple):
    """What half a layer adds to the stream, once `work` is done."""

    output_NH: torch.Tensor
    work: dist.Work | None


class Ladder:
    """Layers one after another, as the reference's `Ladder`: r_i = r_{i-1} + m_i(r_{i-2})."""

    def __init__(self, rungs: Sequence[StageRunner], links: Links) -> None:
        """Each rung is one layer, and every rank that shares it knows its input."""
        self.rungs, self.links = rungs, links

    def __call__(
        self, x_BTH: torch.Tensor, cos_BTD: torch.Tensor, sin_BTD: torch.Tensor, span: Span
    ) -> torch.Tensor:
        """[B, T, H] -> [B, T, H]. A half reads the stream that lacks what is still late."""
        x_NH, late = x_BTH.flatten(0, 1), None
        for rung in self.rungs:
            output_1NH = rung.attend(x_NH.view_as(x_BTH), cos_BTD, sin_BTD, span)
            assert output_1NH is not None
            x_NH, late = self._advanced(x_NH, late, output_1NH[0], rung.task.attention_sum)
            output_NH = rung.feed(x_NH[None])
            x_NH, late = self._advanced(x_NH, late, output_NH, rung.task.total)
        return _settled(x_NH, late).view_as(x_BTH)

    def _advanced(
        self, x_NH: torch.Tensor, late: Late | None, output_NH: torch.Tensor, ranks: Ranks
    ) -> tuple[torch.Tensor, Late]:
        """Starts the sum of the output before it waits for the one under way."""
        work = self.links.all_reduce(output_NH, ranks, async_op=True) if ranks else None
        return _settled(x_NH, late), Late(output_NH, work)


def _settled(x_NH: torch.Tensor, late: Late | None) -> torch.Tensor:
    if late is None:
        return x_NH
    if late.work is not None:
        late.work.wait()
    return x_NH + late.output_NH


Runner = StageRunner | Ladder


def opened(runners: Iterable[Runner]) -> Iterator[StageRunner]:
    """The stages, those of ladders included."""
    for runner in runners:
        yield from runner.rungs if isinstance(runner, Ladder) else (runner,)
