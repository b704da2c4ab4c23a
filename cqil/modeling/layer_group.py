"""LayerGroup: the members of one stage, fed the same input. B batch, T tokens, H hidden size."""

from typing import Any

import torch
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from cqil.plan import BypassTarget
from cqil.plan.stages import Stage, has_attention, has_mlp


class LayerGroup(GradientCheckpointingLayer):
    """Members fed the same input x; their increments are summed onto x (arXiv 2404.06709).

    Layer j's MLP reads x + A_j(x) + b_j, where A_j is its attention and b_j its bypass:
    `ffn` sums A_i over the `distance` members just before j; `ffn+residual` adds the same b_j to
    the output as well, as the paper's released code does; `two-way` sums A_i over all other members
    (arXiv 2502.02790); `mean` has no bypass and averages the increments (arXiv 2407.09298).
    The MLP half of a layer reads x + b_j; its attention half has no MLP.
    """

    def __init__(
        self,
        stage: Stage,
        layers: list[LlamaDecoderLayer],
        distance: int,
        target: BypassTarget,
    ) -> None:
        super().__init__()
        self.stage = stage
        self.layers = layers  # a plain list: the parameters stay with LlamaModel.layers
        self.distance = distance
        self.target = target

    def forward(self, hidden_states: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """[B, T, H] -> [B, T, H]; keyword arguments are those of a LLaMA decoder layer."""
        x_BTH = hidden_states
        attention = {
            j: layer.self_attn(hidden_states=layer.input_layernorm(x_BTH), **kwargs)[0]
            for j, layer in enumerate(self.layers)
            if has_attention(self.stage[j])
        }
        increments = list(attention.values())
        for j, layer in enumerate(self.layers):
            if not has_mlp(self.stage[j]):
                continue
            seen = [attention[i] for i in self._bypassed(j) if i in attention]
            h_BTH = x_BTH + attention[j] if j in attention else x_BTH
            for a_BTH in seen:
                h_BTH = h_BTH + a_BTH
            increments.append(layer.mlp(layer.post_attention_layernorm(h_BTH)))
            if self.target == "ffn+residual":
                increments += seen
        total_BTH = torch.stack(increments).sum(0)
        return x_BTH + (total_BTH / len(self.stage) if self.target == "mean" else total_BTH)

    def _bypassed(self, j: int) -> list[int]:
        """Positions in the stage whose attention output reaches the MLP of position j."""
        if self.target == "mean":
            return []
        if self.target == "two-way":
            return [i for i in range(len(self.layers)) if i != j]
        return list(range(max(0, j - self.distance), j))
