"""Groups whose first and last input are alike: the similarity that CQIL's idea rests on.

The paper (arXiv 2404.06709) observes that neighbouring layers have similar inputs and names no
procedure. Here groups grow from the first layer on, for as long as the input of the next layer has
at least the threshold's cosine with the input of the group's first. A higher threshold never gives
fewer stages where similarity falls with distance, as it does in language models.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from cqil.methods.evidence import Evidence
from cqil.methods.method import Method
from cqil.plan import LayerPlan
from cqil.selection.grouping import Grouping, Runs


class Cosine(Grouping, Method):
    family: ClassVar[str] = "cqil"
    instead_of_depth: ClassVar[tuple[str, ...]] = ("threshold",)
    method: Literal["cosine"] = "cosine"
    threshold: float | None = Field(
        default=None, ge=-1, le=1, description="Instead of depth: least cosine within a group"
    )

    @property
    def needs_similarity(self) -> bool:
        return True

    def plan(self, evidence: Evidence) -> LayerPlan:
        num_layers = evidence.num_layers
        cosine = evidence.required_similarity.cosine[:num_layers, :num_layers]
        if self.threshold is None:
            depth = self.target_depth(num_layers)
            return self.grouped(num_layers, groups_at_depth(cosine, depth, self.group_size))
        groups = grow_groups(cosine, self.threshold, self.group_size)
        if len(groups) == num_layers:
            raise ValueError(
                f"threshold: {self.threshold:g} groups no layers; the inputs of neighbours have a "
                f"cosine of {np.diagonal(cosine, offset=1).max(initial=-1):.4f} at most"
            )
        return self.grouped(num_layers, groups)


def grow_groups(cosine: np.ndarray, threshold: float, group_size: int) -> Runs:
    """`cosine` [L, L] of layer inputs; a group ends before the first layer below the threshold."""
    groups: list[tuple[int, ...]] = []
    for layer in range(len(cosine)):
        last = groups[-1] if groups else ()
        if last and len(last) < group_size and cosine[last[0], layer] >= threshold:
            groups[-1] = (*last, layer)
        else:
            groups.append((layer,))
    return tuple(groups)


def groups_at_depth(cosine: np.ndarray, depth: int, group_size: int) -> Runs:
    """The groups of the largest threshold that leaves at most `depth` stages, then exactly `depth`.

    One threshold may form several groups at once. For each stage that is missing then, the group
    whose ends are least alike sets its last member free.
    """
    offsets = range(1, min(group_size, len(cosine)))
    values = np.unique(np.concatenate([np.diagonal(cosine, offset) for offset in offsets]))
    tries = (grow_groups(cosine, value, group_size) for value in values[::-1])
    groups = list(next(groups for groups in tries if len(groups) <= depth))
    while len(groups) < depth:
        loosest = min(
            (k for k, group in enumerate(groups) if len(group) > 1),
            key=lambda k: cosine[groups[k][0], groups[k][-1]],
        )
        group = groups[loosest]
        groups[loosest : loosest + 1] = [group[:-1], group[-1:]]
    return tuple(groups)
