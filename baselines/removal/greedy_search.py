"""Greedy removal: drop what is missed least, then look again at the model that is left."""

import math
from collections.abc import Collection, Sequence
from typing import Any

from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan
from cqil.plan.stages import Member, has_attention


def drop_greedily(
    evaluator: PlanEvaluator, members: Sequence[Member], protected: Collection[Member], count: int
) -> list[dict[str, Any]]:
    """Drops `count` of the members, layers or halves; each row is one drop and the loss after it.

    Protected members stay, and so does the last attention, without which nothing could run.
    """
    free = len(members) - len(protected)
    evaluator.set_total(sum(free - dropped for dropped in range(count)))
    left, rows = list(members), []
    for _ in range(count):
        nll = {
            member: evaluator.loss(plan_without(evaluator.num_layers, left, {member}))
            for member in left
            if member not in protected
            and any(has_attention(other) for other in left if other != member)
        }
        # Of equal losses the lower member goes; one that overflowed is no reason to.
        least, loss = min(nll.items(), key=lambda item: (math.isnan(item[1]), item[1]))
        left.remove(least)
        rows.append({"dropped": least, "nll": loss})
    return rows


def plan_without(
    num_layers: int, members: Sequence[Member], dropped: Collection[Member]
) -> LayerPlan:
    """The members that are left, one after the other."""
    groups = tuple((member,) for member in members if member not in dropped)
    return LayerPlan(num_layers=num_layers, groups=groups)
