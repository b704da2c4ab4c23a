"""Early exit in the reference model: decoded tokens that have left keep their state.

    with EarlyExitHooks(model, EarlyExitRule("softmax-gap", 0.9)) as hooks:
        model.model(fed_BT, past_key_values=cache, phase="decode")
    hooks.depths_BT

Keys and values of a token depend on its own state alone, frozen or not, so one pass over many
tokens equals decoding them one after another. A layer computes them from its input as ever; only
its output is replaced where the token has left. Shape suffixes: B sequences, T tokens, H hidden
size, N tokens of any sequence, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from cqil.modeling.chunked_logits import logits_in_chunks
from cqil.modeling.planned_llama import PlannedLlamaForCausalLM
from cqil.modeling.precision import at_least_float32
from cqil.modeling.stage_hooks import StageHooks
from cqil.plan.early_exit_rule import EarlyExitRule

LOGITS_CHUNK = 512
"""Number of tokens whose logits are computed at once."""


class EarlyExitHooks(StageHooks):
    """While it is entered, whatever passes the decode stages is decoded under `early_exit`."""

    def __init__(self, model: PlannedLlamaForCausalLM, early_exit: EarlyExitRule) -> None:
        super().__init__(model)
        self.early_exit = early_exit

    def _after(
        self, number: int, _: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
    ) -> torch.Tensor:
        stages = len(self.model.model.decode_stages)
        x_BTH, run = inputs[0], number + 1
        if number == 0:
            self.depths_BT = torch.full(x_BTH.shape[:2], stages, device=x_BTH.device)
        left_BT = self.depths_BT <= number
        output = torch.where(left_BT[..., None], x_BTH, output)
        if self.early_exit.min_layers <= run < stages:
            staying = ~left_BT
            leaves_N = self._confidence(x_BTH[staying], output[staying]) > self.early_exit.threshold
            self.depths_BT[staying] = torch.where(leaves_N, run, stages)
        return output

    def _confidence(self, before_NH: torch.Tensor, after_NH: torch.Tensor) -> torch.Tensor:
        if self.early_exit.criterion == "saturation":
            return saturation(before_NH, after_NH)
        head, norm = self.model.lm_head, self.model.model.norm
        chunks = logits_in_chunks(lambda x_NH: head(norm(x_NH)), after_NH, LOGITS_CHUNK)
        return torch.cat([softmax_gap(logits_NV) for logits_NV in chunks])


def softmax_gap(logits_NV: torch.Tensor) -> torch.Tensor:
    """[N]: the probability of the likeliest token, less that of the second."""
    top_N2 = at_least_float32(logits_NV).softmax(-1).topk(2, dim=-1).values
    return top_N2[:, 0] - top_N2[:, 1]


def saturation(before_NH: torch.Tensor, after_NH: torch.Tensor) -> torch.Tensor:
    """[N]: cosine of the states before and after a stage."""
    return F.cosine_similarity(at_least_float32(before_NH), at_least_float32(after_NH), dim=-1)
