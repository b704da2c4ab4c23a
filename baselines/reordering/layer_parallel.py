"""Layer Parallelism (arXiv 2502.02790): a run of layers in pairs, with the two-way bypass.

Both MLPs of a pair read both attentions. With a `depth` the run is placed by CQIL's grid search,
which it shares with pairs of the same depth, so that the two can be compared group by group.
"""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from baselines.reordering.layer_range import check_layer_range
from cqil.methods.evidence import Evidence
from cqil.methods.method import Look, Method, Parallelism
from cqil.methods.options import Depth
from cqil.methods.plan_evaluator import PlanEvaluator
from cqil.plan import LayerPlan
from cqil.selection.uniform import Uniform


class LayerParallel(Method):
    family: ClassVar[str] = "reordering"
    parallelism: ClassVar[Parallelism] = "tensor"
    default_look: ClassVar[Look] = Look("Layer Parallelism", "d")
    method: Literal["layer-parallel"] = "layer-parallel"
    depth: Depth | None = Field(default=None, description="Stages left; the run is searched for")
    start: int | None = Field(default=None, ge=0, description="First layer of the run, 0-based")
    end: int | None = Field(default=None, ge=2, description="Exclusive")

    @model_validator(mode="after")
    def _depth_or_even_run(self) -> "LayerParallel":
        if (self.start is None) != (self.end is None):
            raise ValueError("start, end: give both or neither")
        if (self.depth is None) == (self.start is None):
            raise ValueError("depth: give either depth or start and end")
        if self.start is not None and self.end is not None and (self.end - self.start) % 2:
            raise ValueError(
                f"start, end: [{self.start}, {self.end}) has an odd number of layers; pairs need "
                "an even one"
            )
        return self

    @property
    def _pairs(self) -> Uniform:
        return Uniform(
            group_size=2,
            depth=self.depth,
            start=self.start,
            end=self.end,
            bypass_target="two-way",
        )

    @property
    def search_key(self) -> str | None:
        return self._pairs.search_key

    def search(self, evaluator: PlanEvaluator) -> dict[str, Any]:
        return self._pairs.search(evaluator)

    def plan(self, evidence: Evidence) -> LayerPlan:
        if self.start is not None and self.end is not None:
            check_layer_range(self.start, self.end, evidence.num_layers, least=2)
        return self._pairs.plan(evidence)
