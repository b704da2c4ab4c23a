"""Who reads whose attention within a stage, as plain numbers. Imports no torch.

A stage is a list of attentions and a list of MLPs. Reference, engine and communication ledger agree
on one table: MLP m reads the stage's input plus the attentions of its row.
"""

from __future__ import annotations

from dataclasses import dataclass

from cqil.plan import LayerPlan
from cqil.plan.stages import Stage, attention_layers, has_attention, has_mlp, mlp_layers


@dataclass(frozen=True)
class StageDataflow:
    """How the parts of one stage add up."""

    attentions: tuple[int, ...]
    """Layers whose attention runs, in order."""
    mlps: tuple[int, ...]
    """Layers whose MLP runs, in order."""
    mlp_reads_attention: tuple[tuple[bool, ...], ...]
    """seen[m][a]: MLP m reads attention a, be it its own or bypassed."""
    attention_weight_in_sum: tuple[int, ...]
    """How often each attention enters the stage's sum."""
    scale: float
    """Factor of the sum before it is added to the stage's input."""

    @property
    def all_mlps_read_the_sum(self) -> bool:
        """Every MLP reads the sum of all attentions, so that only the sum need be known."""
        return all(all(row) for row in self.mlp_reads_attention) and set(
            self.attention_weight_in_sum
        ) == {1}


def stage_dataflow(stage: Stage, plan: LayerPlan) -> StageDataflow:
    """The table of a stage under the plan's bypass."""
    attending = [i for i, member in enumerate(stage) if has_attention(member)]
    feeding = [j for j, member in enumerate(stage) if has_mlp(member)]
    bypassed = [[_reaches(i, j, plan) for i in attending] for j in feeding]
    own = [[i == j for i in attending] for j in feeding]
    twice = plan.bypass_target == "ffn+residual"
    again = [sum(column) for column in zip(*bypassed, strict=True)] if feeding else []
    return StageDataflow(
        attentions=attention_layers(stage),
        mlps=mlp_layers(stage),
        mlp_reads_attention=tuple(
            tuple(a or b for a, b in zip(*rows, strict=True))
            for rows in zip(own, bypassed, strict=True)
        ),
        attention_weight_in_sum=tuple(1 + n for n in again)
        if twice and again
        else (1,) * len(attending),
        scale=1 / len(stage) if plan.bypass_target == "mean" else 1.0,
    )


def _reaches(i: int, j: int, plan: LayerPlan) -> bool:
    """Whether the attention of member i is bypassed to the MLP of member j."""
    if plan.bypass_target == "mean":
        return False
    if plan.bypass_target == "two-way":
        return i != j
    return 1 <= j - i <= plan.bypass
