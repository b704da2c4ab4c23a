"""A LLaMA configuration that carries a LayerPlan; see `planned_llama.py` for the model."""

from __future__ import annotations

from huggingface_hub.dataclasses import strict
from transformers import LlamaConfig

from cqil.plan import LayerPlan, dense_plan

REPLACED_FIELDS = ("model_type", "architectures", "plan", "transformers_version")
"""What one kind of configuration says of itself, and another may not take over."""


@strict
class PlannedLlamaConfig(LlamaConfig):
    """LLaMA plus `plan`; `num_hidden_layers` counts the layers that the plan stores.

    Raises ValueError where the plan is malformed or stores another number of layers.
    """

    model_type = "planned_llama"

    plan: dict | None = None

    def __post_init__(self, **kwargs):
        if self.plan is None:
            self.plan = dense_plan(self.num_hidden_layers).to_dict()
        self.check_layers()
        super().__post_init__(**kwargs)

    def check_layers(self) -> None:
        """Raises ValueError where the plan stores another number of layers.

        Transformers may set a field of a finished configuration, so models check it again.
        """
        stored = len(self.layer_plan.stored_layers)
        if stored != self.num_hidden_layers:
            raise ValueError(
                f"num_hidden_layers: {self.num_hidden_layers}, but the plan stores {stored} "
                "layers; use PlannedLlamaConfig.from_llama"
            )

    @property
    def layer_plan(self) -> LayerPlan:
        return LayerPlan.from_dict(self.plan)  # type: ignore[arg-type]

    @classmethod
    def from_llama(cls, config: LlamaConfig, plan: LayerPlan) -> PlannedLlamaConfig:
        """The configuration of a dense LLaMA checkpoint once `plan` is applied to it."""
        plan.check_depth(config.num_hidden_layers)
        fields = config.to_dict()
        for replaced in REPLACED_FIELDS:
            fields.pop(replaced, None)
        fields |= {"plan": plan.to_dict(), "num_hidden_layers": len(plan.stored_layers)}
        planned = cls(**fields)
        planned._attn_implementation = config._attn_implementation
        return planned

    def dense_config(self) -> LlamaConfig:
        """The configuration of the dense LLaMA that the plan is for; `from_llama` reverses it."""
        return self._llama_config(self.layer_plan.num_layers)

    def stored_config(self) -> LlamaConfig:
        """The configuration of a LLaMA of the stored layers alone."""
        return self._llama_config(self.num_hidden_layers)

    def _llama_config(self, num_layers: int) -> LlamaConfig:
        fields = self.to_dict()
        for replaced in REPLACED_FIELDS:
            fields.pop(replaced, None)
        return LlamaConfig(**fields | {"num_hidden_layers": num_layers})
