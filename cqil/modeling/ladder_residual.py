"""Ladder-Residual (arXiv 2501.06589) as a part of a planned LLaMA.

Shape suffixes: B batch, T tokens, H hidden size.
"""

from typing import Any

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.models.llama.modeling_llama import LlamaDecoderLayer


class LadderLayer(GradientCheckpointingLayer):
    """A layer of a ladder: either half reads the stream without the half before it."""

    def __init__(self, layer: LlamaDecoderLayer) -> None:
        super().__init__()
        self.layers = [layer]  # a plain list: the parameters stay with LlamaModel.layers

    def forward(
        self, hidden_states: torch.Tensor, behind_BTH: torch.Tensor, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The stream [B, T, H] behind the layer, and the same without the layer's MLP.

        `behind_BTH` is `hidden_states` without what was added last.
        """
        x_BTH, layer = hidden_states, self.layers[0]
        read_BTH = layer.input_layernorm(behind_BTH)
        between_BTH = x_BTH + layer.self_attn(hidden_states=read_BTH, **kwargs)[0]
        return between_BTH + layer.mlp(layer.post_attention_layernorm(x_BTH)), between_BTH


class LadderResidual(nn.Module):
    """Ladder-Residual (arXiv 2501.06589): half i of a run of layers reads what stood before half
    i - 1, and the stream takes in both: r_i = r_{i-1} + m_i(r_{i-2}); the first reads r_0.

    Under tensor parallelism half i then computes while the output of half i - 1 is summed.
    """

    def __init__(self, layers: list[LlamaDecoderLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(map(LadderLayer, layers))

    def forward(self, hidden_states: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """As a decoder layer."""
        x_BTH = behind_BTH = hidden_states
        for layer in self.layers:
            x_BTH, behind_BTH = layer(x_BTH, behind_BTH, **kwargs)
        return x_BTH
