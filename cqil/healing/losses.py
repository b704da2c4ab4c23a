"""Losses over the whole vocabulary, whose memory is that of one chunk of tokens.

The head is frozen, so the gradient of the states is all that is needed, and it is known as soon as
a chunk's logits are: both are computed in one go, and no logits are kept.
Shape suffixes: N tokens, H hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812

from cqil.modeling.precision import at_least_float32

CHUNK = 1024
"""Number of tokens whose logits are held at once."""
ChunkLoss = Callable[[torch.Tensor, slice], tuple[torch.Tensor, torch.Tensor]]
"""Logits [N, V] of a slice of the tokens -> their summed loss, and its gradient [N, V]."""


def distillation_loss(
    states_NH: torch.Tensor,
    teacher_NH: torch.Tensor,
    head_VH: torch.Tensor,
    temperature: float = 1.0,
    chunk: int = CHUNK,
) -> torch.Tensor:
    """Sum over tokens of temperature^2 KL(teacher || student), in nats.

    Both are last hidden states before the head. Released by CQIL at temperature 1; the square keeps
    gradients comparable (arXiv 1503.02531, section 2).
    """

    def of_chunk(logits_NV: torch.Tensor, tokens: slice) -> tuple[torch.Tensor, torch.Tensor]:
        teacher_NV = _logits(teacher_NH[tokens], head_VH)
        wanted_NV = F.log_softmax(teacher_NV / temperature, -1)
        found_NV = F.log_softmax(logits_NV / temperature, -1)
        loss = F.kl_div(found_NV, wanted_NV, reduction="sum", log_target=True)
        slope_NV = found_NV.exp() - wanted_NV.exp()
        return temperature**2 * loss, temperature * slope_NV

    return _HeadLoss.apply(states_NH, head_VH, of_chunk, chunk)


def language_model_loss(
    states_NH: torch.Tensor, labels_N: torch.Tensor, head_VH: torch.Tensor, chunk: int = CHUNK
) -> torch.Tensor:
    """Sum over tokens of the cross-entropy of the labels, in nats."""

    def of_chunk(logits_NV: torch.Tensor, tokens: slice) -> tuple[torch.Tensor, torch.Tensor]:
        labels_N1 = labels_N[tokens, None]
        found_NV = F.log_softmax(logits_NV, -1)
        loss = -found_NV.gather(1, labels_N1).sum()
        minus_one_N1 = torch.full_like(labels_N1, -1, dtype=logits_NV.dtype)
        return loss, found_NV.exp().scatter_add_(1, labels_N1, minus_one_N1)

    return _HeadLoss.apply(states_NH, head_VH, of_chunk, chunk)


def _logits(states_NH: torch.Tensor, head_VH: torch.Tensor) -> torch.Tensor:
    return at_least_float32(states_NH.to(head_VH.dtype) @ head_VH.T)


class _HeadLoss(torch.autograd.Function):
    """Loss of states behind a frozen head, chunk by chunk."""

    @staticmethod
    def forward(
        ctx: Any, states_NH: torch.Tensor, head_VH: torch.Tensor, of_chunk: ChunkLoss, chunk: int
    ) -> torch.Tensor:
        total = at_least_float32(states_NH.new_zeros(()))
        gradient_NH = torch.empty_like(states_NH)
        for start in range(0, len(states_NH), chunk):
            tokens = slice(start, start + chunk)
            loss, slope_NV = of_chunk(_logits(states_NH[tokens], head_VH), tokens)
            total = total + loss
            gradient_NH[tokens] = (slope_NV.to(head_VH.dtype) @ head_VH).to(states_NH.dtype)
        ctx.save_for_backward(gradient_NH)
        return total

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:  # type: ignore[override]
        (gradient_NH,) = ctx.saved_tensors
        return slope * gradient_NH, None, None, None
