"""A schedule in the reference model: each decoded token runs the stages of its own plan.

    with ScheduleHooks(model, schedule) as hooks:  # the model runs the first plan of the schedule
        model.model(fed_BT, past_key_values=cache, phase="decode")

The first token of the pass is decoded token 0. Later plans only leave stages out, so a token's keys
at a stage are read only by tokens that run it too, and one pass over many tokens equals decoding
them one after another: where a token skips a stage, its state passes. Shape suffixes: B sequences,
T tokens, H hidden size.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from cqil.modeling.planned_llama import PlannedLlamaForCausalLM
from cqil.plan.schedule import Schedule


class ScheduleHooks:
    """While it is entered, whatever passes the decode stages is decoded under the schedule."""

    def __init__(self, model: PlannedLlamaForCausalLM, schedule: Schedule) -> None:
        """Raises ValueError where a plan has a stage that the first one has not."""
        stages = schedule.plans[0].groups
        for plan in schedule.plans:
            if new := [stage for stage in plan.groups if stage not in stages]:
                raise ValueError(f"plans: stage {list(new[0])} is not one of the first plan")
        self.model, self.schedule = model, schedule
        self.depths_BT = torch.empty(0, 0)
        """Stages that each token of the last pass ran."""

    def __enter__(self) -> ScheduleHooks:
        stages = self.schedule.plans[0].groups
        self._hooks = [
            module.register_forward_hook(partial(self._after, stage))
            for module, stage in zip(self.model.model.decode_stages, stages, strict=True)
        ]
        self._hooks.append(self.model.model.register_forward_hook(self._count))
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _after(
        self,
        stage: tuple[object, ...],
        _: nn.Module,
        inputs: tuple[torch.Tensor, ...],
        output: torch.Tensor,
    ) -> torch.Tensor:
        """What the stage hands on: its input, for tokens whose plan leaves it out."""
        x_BTH = inputs[0]
        runs_by_plan = [stage in plan.groups for plan in self.schedule.plans]
        plan_by_token = map(self.schedule.index_at, range(x_BTH.shape[1]))
        runs_T = torch.tensor([runs_by_plan[plan] for plan in plan_by_token], device=x_BTH.device)
        return torch.where(runs_T[:, None], output, x_BTH)

    def _count(self, _: nn.Module, __: object, output: object) -> None:
        batch, tokens = output.last_hidden_state.shape[:2]  # type: ignore[attr-defined]
        plans = self.schedule.plans
        depths = [plans[self.schedule.index_at(token)].depth for token in range(tokens)]
        self.depths_BT = torch.tensor(depths).expand(batch, tokens)
