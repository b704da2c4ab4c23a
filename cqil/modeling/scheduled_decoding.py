"""A schedule in the reference model: each decoded token runs the stages of its own plan.

    with ScheduleHooks(model, schedule) as hooks:  # the model runs the first plan of the schedule
        model.model(fed_BT, past_key_values=cache, phase="decode")

The first token of the pass is decoded token 0. Later plans only leave stages out, so a token's keys
at a stage are read only by tokens that run it too, and one pass over many tokens equals decoding
them one after another: where a token skips a stage, its state passes. Shape suffixes: B sequences,
T tokens, H hidden size.
"""

from __future__ import annotations

import torch
from torch import nn

from cqil.modeling.planned_llama import PlannedLlamaForCausalLM
from cqil.modeling.stage_hooks import StageHooks
from cqil.plan.schedule import Schedule


class ScheduleHooks(StageHooks):
    """While it is entered, whatever passes the decode stages is decoded under the schedule."""

    def __init__(self, model: PlannedLlamaForCausalLM, schedule: Schedule) -> None:
        """Raises ValueError where a plan has a stage that the first one has not, and for ladders,
        whose stages are one module."""
        super().__init__(model)
        self.schedule, self._stages = schedule, schedule.plans[0].groups
        for plan in schedule.plans:
            if new := [stage for stage in plan.groups if stage not in self._stages]:
                raise ValueError(f"plans: stage {list(new[0])} is not one of the first plan")
        if len(model.model.decode_stages) != len(self._stages):
            raise ValueError("plans: a ladder cannot be scheduled; leave it out")

    def _after(
        self, number: int, _: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
    ) -> torch.Tensor:
        """The output, or the input for tokens whose plan leaves the stage out."""
        x_BTH, stage = inputs[0], self._stages[number]
        index_at, plans = self.schedule.index_at, self.schedule.plans
        plan_by_token = [plans[index_at(token)] for token in range(x_BTH.shape[1])]
        if number == 0:
            depths_T = torch.tensor([plan.depth for plan in plan_by_token])
            self.depths_BT = depths_T.expand(x_BTH.shape[:2])
        runs_T = torch.tensor([stage in plan.groups for plan in plan_by_token], device=x_BTH.device)
        return torch.where(runs_T[:, None], output, x_BTH)
