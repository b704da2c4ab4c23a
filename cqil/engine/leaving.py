"""Decode steps whose tokens leave early, on one device; see `cqil/exits.py`.

A step goes on until every sequence has left. Those that left before keep their state; the stages
that none has reached only cache keys and values, which later tokens will look at.
Shape suffixes: B sequences, H hidden size, D head size, V vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cqil.engine.attention import Growing
from cqil.engine.ladder import Ladder
from cqil.engine.layout import Layout
from cqil.engine.replay import Mode
from cqil.engine.stage import StageRunner
from cqil.exits import Exit
from cqil.modeling.early_exit import saturation, softmax_gap

if TYPE_CHECKING:
    from cqil.engine.engine import Engine


def check_exits(exits: Exit | None, layout: Layout, mode: Mode) -> None:
    """Raises ValueError where tokens cannot leave one by one."""
    if exits is None or (layout.world == 1 and mode == "eager"):
        return
    raise ValueError(
        f"exits: which stages run is known only while they run, which {layout.world} ranks in mode "
        f"{mode} cannot follow; use one rank and mode eager"
    )


class Leaving:
    """Runs the decode steps of an engine under `exits`, and tells how deep each token went."""

    def __init__(self, engine: Engine, exits: Exit) -> None:
        self.engine, self.exits = engine, exits
        self.depths: list[torch.Tensor] = []

    def run(
        self, steps: list[StageRunner | Ladder], ids_B1: torch.Tensor, span: Growing
    ) -> torch.Tensor:
        """Logits [B, V] after one token a sequence; as `Engine.run`."""
        runners = [runner for runner in steps if isinstance(runner, StageRunner)]
        if len(runners) < len(steps):
            raise ValueError("exits: no token can leave within a ladder; use a plan without one")
        x_B1H = self.engine.ends.embed(ids_B1)
        cos_B1D, sin_B1D = self.engine.rotary(x_B1H, span.positions_BT)
        depth_B = torch.full((len(ids_B1),), len(runners), device=x_B1H.device)
        logits_BV, run = None, 0
        while bool((depth_B > run).any()):
            before_B1H, left_B = x_B1H, depth_B <= run
            x_B1H = runners[run](x_B1H, cos_B1D, sin_B1D, span)
            x_B1H = torch.where(left_B[:, None, None], before_B1H, x_B1H)
            run += 1
            if self.exits.least <= run < len(runners):
                confidence_B, logits_BV = self._confidence(before_B1H, x_B1H)
                depth_B[~left_B & (confidence_B > self.exits.threshold)] = run
        for runner in runners[run:]:
            runner.remember(x_B1H, cos_B1D, sin_B1D, span)
        self.depths.append(depth_B)
        # The last check has seen the state that all left with.
        return self._logits(x_B1H) if logits_BV is None or run == len(runners) else logits_BV

    def _confidence(
        self, before_B1H: torch.Tensor, after_B1H: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """[B], and the logits [B, V] where they were needed for it."""
        if self.exits.criterion == "saturation":
            return saturation(before_B1H[:, 0], after_B1H[:, 0]), None
        logits_BV = self._logits(after_B1H)
        return softmax_gap(logits_BV), logits_BV

    def _logits(self, x_B1H: torch.Tensor) -> torch.Tensor:
        logits_BV = self.engine.ends.logits(x_B1H[:, -1])
        assert logits_BV is not None
        return logits_BV
