"""What replaces the outputs of a planned model's decode stages while it is entered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Self

import torch
from torch import nn

from cqil.modeling.planned_llama import PlannedLlamaForCausalLM


class StageHooks(ABC):
    """Calls `_after` behind each decode stage. Shape suffixes: B sequences, T tokens, H hidden."""

    def __init__(self, model: PlannedLlamaForCausalLM) -> None:
        self.model = model
        self.depths_BT = torch.empty(0, 0)
        """Stages that each token of the last pass ran."""

    def __enter__(self) -> Self:
        self._hooks = [
            stage.register_forward_hook(partial(self._after, number))
            for number, stage in enumerate(self.model.model.decode_stages)
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    @abstractmethod
    def _after(
        self, number: int, _: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
    ) -> torch.Tensor:
        """What stage `number`, counted from 0, hands on [B, T, H]."""
