"""A ladder on one rank: while half a layer computes, the output of the previous half is summed.

Shape suffixes: B sequences, T tokens, H hidden size, N = B x T, D head size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist

from cqil.engine.layers.attention import AttentionContext
from cqil.engine.layers.stage_runner import StageRunner
from cqil.engine.parallel.communicator import Communicator
from cqil.engine.parallel.layout import Ranks


class PendingSum(NamedTuple):
    """What half a layer adds to the residual stream, once `work` is done."""

    output_NH: torch.Tensor
    work: dist.Work | None


class LadderRunner:
    """Layers in order, with the maths of `LadderResidual`: r_i = r_{i-1} + m_i(r_{i-2})."""

    def __init__(self, layers: Sequence[StageRunner], communicator: Communicator) -> None:
        """`layers`: stages of one layer each; every rank that shares a layer knows its input."""
        self.layers, self.communicator = layers, communicator

    def __call__(
        self,
        x_BTH: torch.Tensor,
        cos_BTD: torch.Tensor,
        sin_BTD: torch.Tensor,
        context: AttentionContext,
    ) -> torch.Tensor:
        """[B, T, H] -> [B, T, H]. A half layer reads the stream without the pending sum."""
        x_NH, pending = x_BTH.flatten(0, 1), None
        for layer in self.layers:
            output_1NH = layer.attend(x_NH.view_as(x_BTH), cos_BTD, sin_BTD, context)
            assert output_1NH is not None
            ranks = layer.stage.reduce_attention
            x_NH, pending = self._next(x_NH, pending, output_1NH[0], ranks)
            output_NH = layer.feed_forward(x_NH[None])
            x_NH, pending = self._next(x_NH, pending, output_NH, layer.stage.reduce_output)
        return _added(x_NH, pending).view_as(x_BTH)

    def _next(
        self, x_NH: torch.Tensor, pending: PendingSum | None, output_NH: torch.Tensor, ranks: Ranks
    ) -> tuple[torch.Tensor, PendingSum]:
        """The stream with the pending sum, and the sum of `output_NH`, which starts first."""
        work = self.communicator.all_reduce(output_NH, ranks, async_op=True) if ranks else None
        return _added(x_NH, pending), PendingSum(output_NH, work)


def _added(x_NH: torch.Tensor, pending: PendingSum | None) -> torch.Tensor:
    """The stream plus the pending sum, for which it waits."""
    if pending is None:
        return x_NH
    if pending.work is not None:
        pending.work.wait()
    return x_NH + pending.output_NH


LayerRunner = StageRunner | LadderRunner
"""What runs one stage, or the stages of one ladder."""


def stage_runners(runners: Iterable[LayerRunner]) -> Iterator[StageRunner]:
    """The runners of single stages, those within ladders included."""
    for runner in runners:
        yield from runner.layers if isinstance(runner, LadderRunner) else (runner,)
