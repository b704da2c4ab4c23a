"""Checks of a checkpoint before an engine loads it; every error is one line."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import LlamaConfig

from cqil.engine.parallel.attention_heads import AttentionHeads
from cqil.engine.parallel.layout import Layout, Shard
from cqil.engine.parallel.rank_assignment import stages_of_rank
from cqil.engine.weights.safetensors_reader import open_safetensors
from cqil.engine.weights.tensor_reader import has_bias, read_weight
from cqil.modeling.checkpoints import read_config
from cqil.plan import LayerPlan
from cqil.plan.schedule import Schedule


def check_config(config: LlamaConfig) -> None:
    """Raises ValueError where the engine would compute something else than the model does."""
    if config.hidden_act != "silu":
        raise ValueError(f"hidden_act: {config.hidden_act!r}, but the engine computes silu alone")
    if getattr(config, "quantization_config", None):
        raise ValueError("quantization_config: the engine reads plain weights; dequantise them")


def check_checkpoint(path: str, plan: LayerPlan | Schedule, layout: Layout) -> None:
    """Raises ValueError for whatever would stop a rank, before any rank starts.

    That is: a plan for another depth, a stage that does not fit the layout, a LLaMA that the engine
    does not support, and weights that are missing, not finite or of another shape than
    `config.json` says. Reads all weights once.
    """
    config, plans = read_config(path), plan.plans if isinstance(plan, Schedule) else (plan,)
    plans[0].check_depth(config.num_hidden_layers)
    check_config(config)
    kv_heads, head_dim = config.num_key_value_heads, config.head_dim
    assert kv_heads is not None
    assert head_dim is not None
    for rank in range(layout.world_size):
        stages_of_rank(plans, layout, rank)
    sharded = layout.ungrouped_layers == "shard"
    max_shards = layout.world_size if sharded else layout.tensor_parallel_size
    AttentionHeads.of(Shard(0, max_shards), config.num_attention_heads, kv_heads, head_dim)
    read = open_safetensors(Path(path), torch.float32, "cpu")
    expected = {name: shape for p in plans for name, shape in weight_shapes(config, p).items()}
    for name, shape in expected.items():
        stored = tuple(read_weight(read, name).shape)
        if stored != shape:
            raise ValueError(f"{name}: is {stored}, but config.json says {shape}; they differ")


def weight_shapes(config: LlamaConfig, plan: LayerPlan) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every weight that the plan needs."""
    hidden, intermediate = config.hidden_size, config.intermediate_size
    assert config.num_key_value_heads is not None
    assert config.head_dim is not None
    query_rows = config.num_attention_heads * config.head_dim
    kv_rows = config.num_key_value_heads * config.head_dim
    shapes: dict[str, tuple[int, ...]] = {"model.norm.weight": (hidden,)}
    vocabulary = ["model.embed_tokens"] + ["lm_head"] * (not config.tie_word_embeddings)
    shapes |= {f"{name}.weight": (config.vocab_size, hidden) for name in vocabulary}
    parts = {
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
        "self_attn.q_proj": (query_rows, hidden),
        "self_attn.k_proj": (kv_rows, hidden),
        "self_attn.v_proj": (kv_rows, hidden),
        "self_attn.o_proj": (hidden, query_rows),
        "mlp.gate_proj": (intermediate, hidden),
        "mlp.up_proj": (intermediate, hidden),
        "mlp.down_proj": (hidden, intermediate),
    }
    for layer in plan.stored_layers:
        for part, shape in parts.items():
            shapes[f"model.layers.{layer}.{part}.weight"] = shape
            if has_bias(config, part):
                shapes[f"model.layers.{layer}.{part}.bias"] = shape[:1]
    return shapes
