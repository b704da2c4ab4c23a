"""ShortGPT (arXiv 2403.03853): delete the layers that change the residual stream least.

The last layer's output is taken before the final norm, as every other layer's is. The released code
takes it behind the norm, which can move the last layer's score.
"""

from typing import ClassVar, Literal

from baselines.removal.score_ranking import remove_least
from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method
from cqil.methods.options import Depth
from cqil.plan import LayerPlan


class ShortGPT(Method):
    family: ClassVar[str] = "removal"
    default_look: ClassVar[Look] = Look("ShortGPT removal", "s")
    method: Literal["shortgpt"] = "shortgpt"
    depth: Depth

    @property
    def needs_similarity(self) -> bool:
        return True

    def plan(self, evidence: Evidence) -> LayerPlan:
        return remove_least(evidence.required_similarity.block_influence, self.depth)
