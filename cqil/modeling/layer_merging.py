"""Layers whose weights take in those of the layers after them (LaCo, arXiv 2402.11187)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import LlamaForCausalLM

from cqil.methods.evidence import LayerMerge

NORMS = ("input_layernorm.weight", "post_attention_layernorm.weight")


def merged_weights(
    weights: dict[str, torch.Tensor], merge: LayerMerge, prefix: str = "model.layers."
) -> dict[str, torch.Tensor]:
    """Name -> tensor of the layer `merge.into` after the merge; the others are left alone.

    `paper`: w + sum over taken layers of (w_taken - w). `notebook`: the same loop over weights that
    were already updated, which telescopes to the last layer's; norms keep the first layer's values.
    """
    own = f"{prefix}{merge.into}."
    merged = {}
    for name, first in weights.items():
        if not name.startswith(own):
            continue
        part = name.removeprefix(own)
        taken = [weights[f"{prefix}{layer}.{part}"] for layer in merge.taken]
        if merge.rule == "notebook":
            merged[name] = first if part in NORMS else taken[-1]
        else:
            merged[name] = first + torch.stack([other - first for other in taken]).sum(0)
    return merged


@torch.no_grad()
def apply_merges(dense: LlamaForCausalLM, merges: Sequence[LayerMerge]) -> None:
    """Changes the model in place, one merge after the other."""
    for merge in merges:
        dense.load_state_dict(merged_weights(dense.state_dict(), merge), strict=False)
