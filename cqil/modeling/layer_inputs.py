"""What every decoder layer reads beside the residual stream, for whole windows without padding."""

from __future__ import annotations

from typing import Any

import torch
from transformers import LlamaForCausalLM
from transformers.masking_utils import create_causal_mask


def layer_inputs(dense: LlamaForCausalLM, embedded_BTH: torch.Tensor) -> dict[str, Any]:
    """Mask, positions and rotary embeddings for windows of this shape."""
    positions_1T = torch.arange(embedded_BTH.shape[1], device=embedded_BTH.device)[None]
    return {
        "attention_mask": create_causal_mask(
            config=dense.config,
            inputs_embeds=embedded_BTH,
            attention_mask=None,
            past_key_values=None,
            position_ids=positions_1T,
        ),
        "position_embeddings": dense.model.rotary_emb(embedded_BTH, positions_1T),
        "position_ids": positions_1T,
    }


class LayerInputs:
    """Those of any number of windows of one length, each made once: all windows read the same."""

    def __init__(self, dense: LlamaForCausalLM) -> None:
        self.dense = dense
        self._by_windows: dict[int, dict[str, Any]] = {}

    def __call__(self, x_BTH: torch.Tensor) -> dict[str, Any]:
        """What every layer reads beside these states."""
        windows = len(x_BTH)
        if windows not in self._by_windows:
            self._by_windows[windows] = layer_inputs(self.dense, x_BTH)
        return self._by_windows[windows]
