"""Decode steps of fixed shape: replayed as a CUDA graph, or compiled.

Eager steps launch each kernel from the host; graphs do not, so they take less time.
Shape suffixes: B sequences, V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch

from cqil.engine.cuda_graph import capture_cuda_graph
from cqil.engine.decode_state import DecodeState
from cqil.engine.forward_pass import ForwardPass
from cqil.engine.layers.attention import StaticContext
from cqil.engine.layers.ladder_runner import LayerRunner
from cqil.engine.options import ExecutionMode

Step = Callable[[int], torch.Tensor | None]
"""Number of a plan in the schedule -> logits [B, V]."""
RECOMPILE_LIMIT = 8
"""PyTorch's default for one function; a schedule needs one more for each plan."""


class CapturedDecode:
    """The decode step of each plan over one state. On CUDA a compiled step is captured as well."""

    def __init__(
        self,
        forward: ForwardPass,
        decode_stages: Sequence[Sequence[LayerRunner]],
        state: DecodeState,
        mode: ExecutionMode,
        *,
        whole_graph: bool,
    ) -> None:
        """`decode_stages`: stages of each plan of the schedule; `whole_graph`: a compiled step must
        be one graph, which messages between ranks would break."""
        self.forward, self.decode_stages = forward, decode_stages
        self.state, self.mode = state, mode
        device = state.pads_B.device
        self.token_B = torch.zeros(state.cache.batch, dtype=torch.long, device=device)
        self.cache_position_1 = torch.zeros(1, dtype=torch.long, device=device)
        self.graphs: dict[int, tuple[torch.cuda.CUDAGraph, torch.Tensor | None]] = {}
        plans = len(decode_stages)
        self._step = self._run if mode != "compiled" else _compiled(self._run, whole_graph, plans)

    def step(self, plan: int, token_B: torch.Tensor) -> torch.Tensor | None:
        """Logits [B, V] after one token a sequence, under plan number `plan` of the schedule."""
        self.token_B.copy_(token_B)
        self.cache_position_1.fill_(self.state.cache.length)
        device = self.token_B.device
        if device.type != "cuda":
            return self._step(plan)
        if plan not in self.graphs:
            # A step repeated at one position writes the same keys again: warm-up changes nothing.
            self.graphs[plan] = capture_cuda_graph(lambda: self._step(plan), device)
        graph, logits_BV = self.graphs[plan]
        graph.replay()
        return logits_BV

    def _run(self, plan: int) -> torch.Tensor | None:
        context = StaticContext(self.state.cache, self.state.pads_B, self.cache_position_1)
        return self.forward(self.decode_stages[plan], self.token_B[:, None], context)


def _compiled(run: Step, whole_graph: bool, plans: int) -> Step:
    """The compiled step. PyTorch counts recompilations of all engines of a process together, unless
    it can isolate them (from 2.13 on), and stops compiling at the ninth."""
    options: dict[str, Any] = {"fullgraph": whole_graph, "dynamic": False}
    if "isolate_recompiles" in inspect.signature(torch.compile).parameters:  # PyTorch 2.13
        limit = RECOMPILE_LIMIT + plans
        options |= {"isolate_recompiles": True, "recompile_limit": limit}
    return torch.compile(run, **options)
