"""Reads LLaMA tensors straight from safetensors shards, one tensor, or a part of one, at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import LlamaConfig

from cqil.engine.heads import Heads
from cqil.engine.layout import Layout, Shard, own_tasks
from cqil.engine.weights import Read, has_bias, weight
from cqil.modeling.checkpoints import read_config
from cqil.plan import LayerPlan
from cqil.schedule import Schedule

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
INDEX = "model.safetensors.index.json"


def open_shards(folder: Path, dtype: torch.dtype, device: str) -> Read:
    """A reader over the shards of `folder`. Raises ValueError where one is gone or damaged."""
    shard_of = _shards(folder)
    if gone := sorted({shard for shard in shard_of.values() if not (folder / shard).exists()}):
        raise ValueError(f"{folder}: shard {gone[0]} is missing; fetch the checkpoint again")

    def read(name: str, *index: slice) -> torch.Tensor | None:
        if name not in shard_of:
            return None
        with _opened(folder / shard_of[name], device) as shard:
            return shard.get_slice(name)[index or ...].to(dtype)

    return read


def _shards(folder: Path) -> dict[str, str]:
    """Tensor name -> file name."""
    if (folder / INDEX).exists():
        return json.loads((folder / INDEX).read_text())["weight_map"]
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError(f"{folder}: holds no *.safetensors; save the model as safetensors")
    found: dict[str, str] = {}
    for file in files:
        with _opened(file, "cpu") as shard:
            found |= dict.fromkeys(shard.keys(), file.name)
    return found


@contextmanager
def _opened(file: Path, device: str) -> Iterator[safe_open]:
    try:
        with safe_open(file, framework="pt", device=device) as shard:
            yield shard
    except SafetensorError as error:
        raise ValueError(f"{file}: is damaged ({error}); fetch the checkpoint again") from None


def check_config(config: LlamaConfig) -> None:
    """Raises ValueError where the engine would compute something else than the model does."""
    if config.hidden_act != "silu":
        raise ValueError(f"hidden_act: {config.hidden_act!r}, but the engine computes silu alone")
    if getattr(config, "quantization_config", None):
        raise ValueError("quantization_config: the engine reads plain weights; dequantise them")


def check_checkpoint(path: str, plan: LayerPlan | Schedule, layout: Layout) -> None:
    """Raises ValueError with one line for all that would stop a rank, before any is started.

    That is a plan for another depth, a stage larger than the layout, a kind of LLaMA that the
    engine does not compute, tensors that are missing, of another shape than the configuration
    says, or not finite. Reads the weights once.
    """
    config, plans = read_config(path), plan.plans if isinstance(plan, Schedule) else (plan,)
    plans[0].check_depth(config.num_hidden_layers)
    check_config(config)
    keys, size = config.num_key_value_heads, config.head_dim
    assert keys is not None
    assert size is not None
    for rank in range(layout.world):
        own_tasks(plans, layout, rank)
    most = layout.world if layout.outside == "sharded" else layout.shards
    Heads.of(Shard(0, most), config.num_attention_heads, keys, size)
    read = open_shards(Path(path), torch.float32, "cpu")
    wanted = {name: shape for p in plans for name, shape in shapes(config, p).items()}
    for name, shape in wanted.items():
        found = tuple(weight(read, name).shape)
        if found != shape:
            raise ValueError(f"{name}: is {found}, but config.json says {shape}; they do not match")


def shapes(config: LlamaConfig, plan: LayerPlan) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every weight that the plan needs."""
    hidden, wide, size = config.hidden_size, config.intermediate_size, config.head_dim
    queries, keys = config.num_attention_heads * size, config.num_key_value_heads * size  # type: ignore[operator]
    shapes: dict[str, tuple[int, ...]] = {"model.norm.weight": (hidden,)}
    ends = ["model.embed_tokens"] + ["lm_head"] * (not config.tie_word_embeddings)
    shapes |= {f"{name}.weight": (config.vocab_size, hidden) for name in ends}
    parts = {
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        "mlp.gate_proj": (wide, hidden),
        "mlp.up_proj": (wide, hidden),
        "mlp.down_proj": (hidden, wide),
    }
    for layer in plan.stored_layers:
        for part, shape in parts.items():
            shapes[f"model.layers.{layer}.{part}.weight"] = shape
            if has_bias(config, part):
                shapes[f"model.layers.{layer}.{part}.bias"] = shape[:1]
    return shapes
