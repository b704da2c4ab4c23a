"""The description of an engine as plain data, which can be sent to ranks."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean

from cqil.checkpoint.tensor_reader import DTYPES
from cqil.edits.weight_edit import Edits
from cqil.engine import Engine
from cqil.engine.options import EngineOptions
from cqil.engine.parallel.rank_device import rank_device
from cqil.plan import LayerPlan
from cqil.plan.schedule import Schedule


@dataclass(frozen=True, kw_only=True)
class EngineSpec:
    """What to load an engine from."""

    path: str
    """Directory of the checkpoint."""
    plan: LayerPlan | Schedule
    edits: Edits = ()
    """Changes of the weights that are made before the plan runs."""
    options: EngineOptions = field(default_factory=EngineOptions)
    device: str = "cpu"
    dtype: str = "float32"

    def load(self, rank: int = 0) -> Engine:
        """The engine of one rank, on that rank's device."""
        return Engine.load(
            self.path,
            self.plan,
            dtype=DTYPES[self.dtype],
            device=rank_device(self.device),
            rank=rank,
            options=self.options,
            edits=self.edits,
        )

    def scheduled_layers(self, new_tokens: int) -> float | None:
        """Mean layers of the first `new_tokens` decode steps of a schedule; None for a plan."""
        if not isinstance(self.plan, Schedule):
            return None
        plan_indices = map(self.plan.index_at, range(new_tokens))
        return fmean(self.plan.plans[index].depth for index in plan_indices)
