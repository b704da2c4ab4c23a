"""Decode steps on one device in which tokens leave the stages early (`EarlyExitRule`).

A step runs until every sequence has left; a sequence that has left keeps its state. Stages that no
sequence reaches only write keys and values to the cache, since later tokens attend to them.
Shape suffixes: B sequences, H hidden size, D head size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cqil.engine.forward_pass import ForwardPass
from cqil.engine.layers.attention import GrowingContext
from cqil.engine.layers.ladder_runner import LayerRunner
from cqil.engine.layers.stage_runner import StageRunner
from cqil.modeling.early_exit import saturation, softmax_gap
from cqil.plan.early_exit_rule import EarlyExitRule


class EarlyExitDecoder:
    """Runs decode steps under a rule, and records how deep each token went."""

    def __init__(self, forward: ForwardPass, rule: EarlyExitRule) -> None:
        self.forward, self.rule = forward, rule
        self.depths: list[torch.Tensor] = []
        """Number of stages that each sequence ran [B], by decode step since the prompt."""

    def step(
        self, layers: Sequence[LayerRunner], ids_B1: torch.Tensor, context: GrowingContext
    ) -> torch.Tensor:
        """Logits [B, V] after one token a sequence. Raises ValueError for a plan with a ladder."""
        stages = [layer for layer in layers if isinstance(layer, StageRunner)]
        if len(stages) < len(layers):
            raise ValueError(
                "early_exit: no token can leave within a ladder; use a plan without one"
            )
        x_B1H, cos_B1D, sin_B1D = self.forward.embed(ids_B1, context)
        depth_B = torch.full((len(ids_B1),), len(stages), device=x_B1H.device)
        logits_BV, run = None, 0
        while bool((depth_B > run).any()):
            before_B1H, left_B = x_B1H, depth_B <= run
            x_B1H = stages[run](x_B1H, cos_B1D, sin_B1D, context)
            x_B1H = torch.where(left_B[:, None, None], before_B1H, x_B1H)
            run += 1
            if self.rule.min_layers <= run < len(stages):
                confidence_B, logits_BV = self._confidence(before_B1H, x_B1H)
                depth_B[~left_B & (confidence_B > self.rule.threshold)] = run
        for stage in stages[run:]:
            stage.append_kv(x_B1H, cos_B1D, sin_B1D, context)
        self.depths.append(depth_B)
        # The logits of the last check are those of the final states: sequences that left before it
        # have kept their state, and all others left there.
        return self._logits(x_B1H) if logits_BV is None or run == len(stages) else logits_BV

    def _confidence(
        self, before_B1H: torch.Tensor, after_B1H: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Confidence [B], and the logits [B, V] where the criterion needs them."""
        if self.rule.criterion == "saturation":
            return saturation(before_B1H[:, 0], after_B1H[:, 0]), None
        logits_BV = self._logits(after_B1H)
        return softmax_gap(logits_BV), logits_BV

    def _logits(self, x_B1H: torch.Tensor) -> torch.Tensor:
        logits_BV = self.forward.head.logits(x_B1H[:, -1])
        assert logits_BV is not None  # one device holds the LM head
        return logits_BV
