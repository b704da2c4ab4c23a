"""Gromov et al. (arXiv 2403.17887): delete the run of layers whose ends are closest in angle.

Any run may go. PruneMe, a third party's code, never removes layer 0, and takes the state behind the
final norm as the end of the last run.
"""

from typing import ClassVar, Literal

import numpy as np

from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.methods.options import Depth, check_depth
from cqil.plan import LayerPlan, kept_layers_plan


class Gromov(Method):
    family: ClassVar[str] = "removal"
    default_look: ClassVar[Look] = Look("Gromov removal", "D")
    method: Literal["gromov"] = "gromov"
    depth: Depth

    @property
    def needs_similarity(self) -> bool:
        return True

    def plan(self, evidence: Evidence) -> LayerPlan:
        return remove_closest_run(evidence.required_similarity.angular_last, self.depth)


def remove_closest_run(angular_last: np.ndarray, depth: int) -> LayerPlan:
    """`angular_last` [L+1, L+1]; removes layers l..l+n-1 where d(x_l, x_{l+n}) is least."""
    num_layers = len(angular_last) - 1
    check_depth(depth, num_layers)
    n = num_layers - depth
    first = int(np.argmin(np.diagonal(angular_last, offset=n)))
    kept = [layer for layer in range(num_layers) if not first <= layer < first + n]
    return kept_layers_plan(num_layers, kept)
