"""FlattenGPT's choice of layers (arXiv 2602.08858): the most similar neighbours merge first.

Only its first stage, on the similarity of layer inputs; its pruning of the merged layers is no
matter of plans. A merge deletes the later layer's row and column, so that what follows is compared
with the group's first member, and a group is judged from its first to its last.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from cqil.methods.evidence import Evidence
from cqil.methods.method import Method
from cqil.plan import LayerPlan
from cqil.plan.stages import dense_stages
from cqil.selection.grouping import Grouping, Runs, mergeable, merged


class Flatten(Grouping, Method):
    family: ClassVar[str] = "cqil"
    method: Literal["flatten"] = "flatten"
    group_size: int = Field(
        default=2, ge=2, description="Most layers that share one input; the paper has pairs"
    )

    @property
    def needs_similarity(self) -> bool:
        return True

    def plan(self, evidence: Evidence) -> LayerPlan:
        num_layers = evidence.num_layers
        cosine = evidence.required_similarity.cosine[:num_layers, :num_layers]
        depth = self.target_depth(num_layers)
        return self.grouped(num_layers, merge_most_similar(cosine, depth, self.group_size))


def merge_most_similar(cosine: np.ndarray, depth: int, group_size: int) -> Runs:
    """`cosine` [L, L] of layer inputs. Of equal pairs the lower one merges.

    Close to the least depth, pairs that would put `depth` out of reach are passed over.
    """
    stages = dense_stages(len(cosine))
    while len(stages) > depth:
        closest = max(
            mergeable(stages, group_size, depth),
            key=lambda k: cosine[stages[k][0], stages[k + 1][0]],
        )
        stages = merged(stages, closest)
    return stages
