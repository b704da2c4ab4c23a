"""Loads the model of a manifest: its checkpoint, dense, or under a variant's plan."""

from __future__ import annotations

from typing import Any

from transformers import LlamaForCausalLM

from benchmarks.models.manifest import open_manifest
from benchmarks.models.variants import Variant
from cqil.checkpoint.tensor_reader import DTYPES
from cqil.edits.edited_weights import apply_edits
from cqil.modeling import PlannedLlamaForCausalLM


def load_dense(manifest: dict[str, Any], device: str, dtype: str) -> LlamaForCausalLM:
    """The dense model in evaluation mode. Raises ValueError as `open_manifest` does."""
    return open_manifest(manifest).load_dense(DTYPES[dtype], device)


def load_planned(variant: Variant, device: str, dtype: str) -> PlannedLlamaForCausalLM:
    """The model under the variant's plan, or the first of its schedule, over its edited weights."""
    dense = load_dense(variant.manifest, device, dtype)
    apply_edits(dense, variant.edits)
    plan = variant.plan if variant.schedule is None else variant.schedule.plans[0]
    return PlannedLlamaForCausalLM.from_dense(dense, plan)
