"""Loads the model of a manifest: dense, under a variant's plan, or only its tokenizer."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerBase

from benchmarks.models.variants import Variant
from cqil.engine.weights.safetensors_reader import DTYPES
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.modeling.checkpoints import read_config
from cqil.modeling.layer_merging import apply_merges


def load_dense(manifest: dict[str, Any], device: str, dtype: str) -> LlamaForCausalLM:
    """The dense model in evaluation mode. Raises ValueError where its checkpoint is gone."""
    path = manifest["path"]
    model = LlamaForCausalLM.from_pretrained(path, config=read_config(path), dtype=DTYPES[dtype])
    torch.nn.Module.to(model, device)  # the `to` of Transformers is typed wrongly
    return model.eval()


def load_planned(variant: Variant, device: str, dtype: str) -> PlannedLlamaForCausalLM:
    """The model under the variant's plan, with the layers that the variant merges."""
    dense = load_dense(variant.manifest, device, dtype)
    apply_merges(dense, variant.merges)
    return PlannedLlamaForCausalLM.from_dense(dense, variant.plan)


def load_tokenizer(manifest: dict[str, Any]) -> PreTrainedTokenizerBase:
    """The tokenizer of the model."""
    return AutoTokenizer.from_pretrained(manifest["path"])
