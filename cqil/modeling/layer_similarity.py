"""How alike the states of the residual stream are, in one streaming pass over calibration text.

Only one window's states are held at a time. What reads the numbers: `cqil/methods/method.py`.
Shape suffixes: L layers, T tokens, H hidden size, S = L+1 states.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize
from transformers import LlamaForCausalLM

from cqil.methods.evidence import LayerSimilarity


class _States:
    """Collects the input of every layer and the output of the last while a forward pass runs."""

    def __init__(self, model: LlamaForCausalLM) -> None:
        self.collected: list[torch.Tensor] = []
        layers = list(model.model.layers)
        self._hooks = [layer.register_forward_pre_hook(self._before) for layer in layers]
        self._hooks.append(layers[-1].register_forward_hook(self._after))

    def _before(self, module: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        self.collected.append(args[0][0])

    def _after(self, module: nn.Module, args: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        self.collected.append(out[0])

    def take_STH(self) -> torch.Tensor:
        states_STH, self.collected = torch.stack(self.collected), []
        return states_STH

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()


@torch.inference_mode()
def measure_similarity(model: LlamaForCausalLM, windows: Iterable[list[int]]) -> LayerSimilarity:
    """Means over all tokens of all windows (token ids); `model` must be dense.

    Raises ValueError where there is no window.
    """
    states = _States(model)
    cosine_SS: torch.Tensor | float = 0.0
    angular_SS: torch.Tensor | float = 0.0
    tokens = texts = 0
    try:
        for window in windows:
            model.model(torch.tensor([window], device=model.device), use_cache=False)
            states_STH = states.take_STH()
            unit_STH = normalize(states_STH.float(), dim=-1)
            cosine_SS = cosine_SS + torch.einsum("ith,jth->ij", unit_STH, unit_STH).double()
            # arccos magnifies rounding near 1, so angles are taken in double precision.
            last_SH = normalize(states_STH[:, -1].double(), dim=-1)
            angular_SS = angular_SS + (last_SH @ last_SH.T).clamp(-1, 1).arccos() / torch.pi
            tokens, texts = tokens + len(window), texts + 1
    finally:
        states.remove()
    if not texts:
        raise ValueError("calibration: no window of text; give at least one document")
    return LayerSimilarity(cosine=_mean(cosine_SS, tokens), angular_last=_mean(angular_SS, texts))


def _mean(total_SS: torch.Tensor | float, count: int) -> np.ndarray:
    assert isinstance(total_SS, torch.Tensor)
    return (total_SS / count).cpu().numpy()
