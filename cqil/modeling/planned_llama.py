"""PlannedLlama: one LLaMA that runs any LayerPlan. The reference that every engine must equal.

A stage of one layer is the stock decoder layer, so the dense plan is bit-equal to LlamaForCausalLM.
Any other stage is a `LayerGroup`, a ladder a `Ladder`. Parameters keep LLaMA's names: both refer to
the layers, they do not own them. Shape suffixes: B batch, T tokens, H hidden size.
"""

import warnings
from itertools import chain, groupby
from typing import Any, Literal, cast

import torch
from torch import nn
from transformers import DynamicCache, LlamaForCausalLM
from transformers.cache_utils import Cache
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.models.llama.modeling_llama import (
    LlamaAttention,
    LlamaDecoderLayer,
    LlamaModel,
    LlamaPreTrainedModel,
)
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from cqil.modeling.adapter_layers import check_adapter_layers
from cqil.modeling.configuration import PlannedLlamaConfig
from cqil.modeling.dense_model import check_dense_model
from cqil.modeling.ladder_residual import LadderLayer, LadderResidual
from cqil.modeling.layer_group import LayerGroup
from cqil.plan import LayerPlan
from cqil.plan.stages import Stage, Stages, attention_layers, layer_of

Phase = Literal["prefill", "decode"]


class PlannedLlamaPreTrainedModel(LlamaPreTrainedModel):
    config: PlannedLlamaConfig
    _can_record_outputs = {
        "hidden_states": [LlamaDecoderLayer, LayerGroup, LadderLayer],
        "attentions": LlamaAttention,
    }


class PlannedLlamaModel(PlannedLlamaPreTrainedModel, LlamaModel):
    """LlamaModel that runs the plan of its configuration."""

    def __init__(self, config: PlannedLlamaConfig) -> None:
        config.check_layers()
        super().__init__(config)
        self.plan = config.layer_plan
        self._number_cache_slots()
        # Own no parameter; make groups and ladders visible to hooks.
        self.groups, self.ladders = nn.ModuleList(), nn.ModuleList()
        self.decode_stages = self._build_stages(self.plan.groups)
        self.prefill_stages = self.decode_stages
        if self.plan.prefill is not None:
            self.prefill_stages = self._build_stages(self.plan.prefill)

    def _number_cache_slots(self) -> None:
        """Layers that decode come first: Transformers reads the length of the cache off slot 0."""
        decoding = set(self.plan.attending_layers)
        prompt = attention_layers(tuple(chain(*self.plan.prefill_groups)))
        order = sorted(
            self.plan.stored_layers, key=lambda layer: (layer not in decoding, layer not in prompt)
        )
        for slot, layer in enumerate(order):
            self._layer(layer).self_attn.layer_idx = slot
        self._last_prompt_slot = len(prompt) - 1

    def _layer(self, layer: int) -> LlamaDecoderLayer:
        """By its original index."""
        return cast(LlamaDecoderLayer, self.layers[self.plan.stored_layers.index(layer)])

    def _build_stages(self, stages: Stages) -> list[nn.Module]:
        built: list[nn.Module] = []
        for in_ladder, run in groupby(stages, self.plan.in_ladder):
            if in_ladder:
                ladder = LadderResidual([self._layer(layer_of(stage[0])) for stage in run])
                self.ladders.append(ladder)
                built.append(ladder)
            else:
                built += map(self._build_stage, run)
        return built

    def _build_stage(self, stage: Stage) -> nn.Module:
        layers = [self._layer(layer_of(member)) for member in stage]
        if stage == (layer_of(stage[0]),):
            return layers[0]
        group = LayerGroup(stage, layers, self.plan.bypass, self.plan.bypass_target)
        self.groups.append(group)
        return group

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        phase: Phase | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """As LlamaModel.forward; `phase` chooses the stages where prompt and decoding differ.

        Left out, tokens that follow a filled cache are decoded and all others are prompt.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("input_ids, inputs_embeds: give exactly one of them")
        x_BTH = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        if position_ids is None:
            seen = 0 if past_key_values is None else past_key_values.get_seq_length()
            position_ids = (torch.arange(x_BTH.shape[1], device=x_BTH.device) + seen)[None]
        mask = create_causal_mask(
            config=self.config,
            inputs_embeds=x_BTH,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            position_ids=position_ids,
        )
        rotary = self.rotary_emb(x_BTH, position_ids=position_ids)
        for stage in self._stages_for(phase, past_key_values):
            x_BTH = stage(
                x_BTH,
                attention_mask=mask,
                position_embeddings=rotary,
                position_ids=position_ids,
                past_key_values=past_key_values,
                use_cache=use_cache,
                **kwargs,
            )
        return BaseModelOutputWithPast(
            last_hidden_state=self.norm(x_BTH), past_key_values=past_key_values
        )

    def _stages_for(self, phase: Phase | None, cache: Cache | None) -> list[nn.Module]:
        if self.plan.prefill is None:
            return self.decode_stages
        filled = 0 if cache is None else int(cache.get_seq_length())
        if phase is None:
            phase = "decode" if filled else "prefill"
        if phase == "decode":
            return self.decode_stages
        if filled and int(cache.get_seq_length(self._last_prompt_slot)) < filled:  # type: ignore[union-attr]
            raise ValueError(
                "past_key_values: a prompt cannot follow generated tokens where the plan has its "
                "own prefill, since skipped layers hold no keys for them; start from an empty cache"
            )
        return self.prefill_stages


class PlannedLlamaForCausalLM(PlannedLlamaPreTrainedModel, LlamaForCausalLM):
    """LlamaForCausalLM that runs a LayerPlan; saves, loads, generates and trains like it."""

    def __init__(self, config: PlannedLlamaConfig) -> None:
        PlannedLlamaPreTrainedModel.__init__(self, config)
        self.model = PlannedLlamaModel(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.register_load_state_dict_pre_hook(check_adapter_layers)
        self.post_init()

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As in Transformers; warns where scores of one pass without a cache would be dense's."""
        loaded = super().from_pretrained(*args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        if model.plan.prefill is not None:
            warnings.warn(
                "the plan has stages of its own for the prompt, and a forward pass without a cache "
                "is all prompt: scores made so, as by lm-eval's HFLM, are those of the prompt's "
                "stages; use python -m benchmarks multiple-choice",
                stacklevel=2,
            )
        return loaded

    @property
    def plan(self) -> LayerPlan:
        return self.model.plan

    @classmethod
    def from_dense(cls, dense: LlamaForCausalLM, plan: LayerPlan) -> "PlannedLlamaForCausalLM":
        """The plan over the weights of `dense`, which are shared, not copied.

        Raises ValueError where the plan is for another depth, and where `dense` carries an adapter.
        """
        check_dense_model(dense)
        config = PlannedLlamaConfig.from_llama(dense.config, plan)
        with torch.device("meta"):
            planned = cls(config)
        weights = _rename_layers(dense.state_dict(keep_vars=True), plan)
        for name, parameter in planned.named_parameters():
            # Assigning would thaw the frozen weights of `dense`, which are the same tensors.
            parameter.requires_grad_(weights[name].requires_grad)
        planned.load_state_dict(weights, assign=True)
        planned.model.rotary_emb = dense.model.rotary_emb
        planned.generation_config = dense.generation_config
        return planned.train(dense.training)

    def prepare_inputs_for_generation(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if self.plan.prefill is not None and not kwargs.get("use_cache", True):
            raise ValueError(
                "use_cache: False, but the plan has its own prefill, which only a cache can keep "
                "apart from generated tokens; leave use_cache on"
            )
        inputs = super().prepare_inputs_for_generation(*args, **kwargs)  # type: ignore[misc]
        return inputs | {"phase": "prefill" if kwargs.get("is_first_iteration") else "decode"}


def _rename_layers(state: dict[str, torch.Tensor], plan: LayerPlan) -> dict[str, torch.Tensor]:
    """Keeps the layers that the plan stores, numbered densely."""
    prefix = "model.layers."
    dense_index = {layer: i for i, layer in enumerate(plan.stored_layers)}
    renamed = {}
    for name, tensor in state.items():
        if not name.startswith(prefix):
            renamed[name] = tensor
            continue
        number, rest = name.removeprefix(prefix).split(".", 1)
        if int(number) in dense_index:
            renamed[f"{prefix}{dense_index[int(number)]}.{rest}"] = tensor
    return renamed
