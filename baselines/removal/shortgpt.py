"""ShortGPT (arXiv 2403.03853): delete the layers that change the residual stream least."""

from typing import ClassVar, Literal

import numpy as np

from cqil.method import Depth, Evidence, Method, check_depth_option
from cqil.plan import LayerPlan, kept_layers_plan


class ShortGPT(Method):
    family: ClassVar[str] = "removal"
    method: Literal["shortgpt"] = "shortgpt"
    depth: Depth

    @property
    def needs_similarity(self) -> bool:
        return True

    def plan(self, evidence: Evidence) -> LayerPlan:
        assert evidence.similarity is not None
        return remove_least(evidence.similarity.block_influence, self.depth)


def remove_least(score_L: np.ndarray, depth: int) -> LayerPlan:
    """Keeps the `depth` layers of highest score; of equal scores the lower layer stays."""
    check_depth_option(depth, len(score_L))
    order = np.argsort(-score_L, kind="stable")
    return kept_layers_plan(len(score_L), [int(layer) for layer in order[:depth]])
