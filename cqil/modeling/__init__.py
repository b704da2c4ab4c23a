"""The reference model: stock Hugging Face LLaMA whose layers run in the order of a LayerPlan."""

from transformers import AutoConfig, AutoModelForCausalLM

from cqil.modeling.configuration import PlannedLlamaConfig
from cqil.modeling.planned_llama import PlannedLlamaForCausalLM

AutoConfig.register(PlannedLlamaConfig.model_type, PlannedLlamaConfig, exist_ok=True)
AutoModelForCausalLM.register(PlannedLlamaConfig, PlannedLlamaForCausalLM, exist_ok=True)

__all__ = ["PlannedLlamaConfig", "PlannedLlamaForCausalLM"]
