"""Loads the model of a manifest: dense, under a variant's plan, or its tokenizer."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerBase

from benchmarks.models.variants import Variant
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.modeling.checkpoints import read_config
from cqil.modeling.layer_merging import apply_merges


def load_dense(manifest: dict[str, Any], device: str, dtype: str) -> LlamaForCausalLM:
    """Raises ValueError where the checkpoint that the manifest names is gone."""
    config = read_config(manifest["path"])
    model = LlamaForCausalLM.from_pretrained(
        manifest["path"], config=config, dtype=getattr(torch, dtype)
    )
    return model.to(device).eval()


def load_planned(variant: Variant, device: str, dtype: str) -> PlannedLlamaForCausalLM:
    """The variant's plan over its model, merged layers included."""
    dense = load_dense(variant.manifest, device, dtype)
    apply_merges(dense, variant.merges)
    return PlannedLlamaForCausalLM.from_dense(dense, variant.plan)


def load_tokenizer(manifest: dict[str, Any]) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(manifest["path"])
