"""Decode steps of fixed shape: captured in a CUDA graph, or compiled.

Eager steps pay for each launch on the host, graphs do not, so the two tell different stories.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

import torch

from cqil.engine.attention import Fixed

if TYPE_CHECKING:
    from cqil.engine.engine import Engine

Mode = Literal["eager", "graph", "compiled"]
Step = Callable[[int], torch.Tensor | None]
RECOMPILES = 8
"""What Torch allows a function; a schedule needs one for each plan besides."""
WARMUP = 3
"""Steps before a capture: libraries allocate their workspaces in the first ones."""


def check_mode(mode: str, device: torch.device) -> None:
    """Raises ValueError where the device cannot run it."""
    if mode not in get_args(Mode):
        raise ValueError(f"mode: {mode!r} is unknown; use one of {', '.join(get_args(Mode))}")
    if mode == "graph" and device.type != "cuda":
        raise ValueError(f"mode: 'graph' needs a CUDA device, not {device.type}; use eager")


class Replay:
    """The decode step of each plan over one cache. On CUDA a compiled step is captured as well."""

    def __init__(self, engine: Engine, mode: Mode) -> None:
        cache = engine.cache
        assert cache is not None
        self.engine, self.mode = engine, mode
        self.token_B = torch.zeros(cache.batch, dtype=torch.long, device=cache.keys.device)
        self.place_1 = torch.zeros(1, dtype=torch.long, device=cache.keys.device)
        self.graphs: dict[int, tuple[torch.cuda.CUDAGraph, torch.Tensor | None]] = {}
        # One device must compile whole; messages between ranks may cut a graph.
        whole, plans = engine.layout.world == 1, len(engine.schedule.plans)
        self.compiled = self._run if mode != "compiled" else _compiled(self._run, whole, plans)

    def step(self, plan: int, token_B: torch.Tensor) -> torch.Tensor | None:
        """Logits [B, V] after one token a sequence, under the schedule's plan of that number."""
        cache = self.engine.cache
        assert cache is not None
        self.token_B.copy_(token_B)
        self.place_1.fill_(cache.length)
        if self.token_B.device.type != "cuda":
            return self.compiled(plan)
        if plan not in self.graphs:
            self.graphs[plan] = self._capture(plan)
        graph, logits_BV = self.graphs[plan]
        graph.replay()
        return logits_BV

    def _run(self, plan: int) -> torch.Tensor | None:
        engine = self.engine
        assert engine.cache is not None
        span = Fixed(engine.cache, engine.pads_B, self.place_1)
        return engine.run(engine.program.decode[plan], self.token_B[:, None], span)

    def _capture(self, plan: int) -> tuple[torch.cuda.CUDAGraph, torch.Tensor | None]:
        """Steps at one place write the same keys again, so that a warm-up changes nothing."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARMUP):
                self.compiled(plan)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            logits_BV = self.compiled(plan)
        return graph, logits_BV


def _compiled(run: Step, whole: bool, plans: int) -> Step:
    """Shapes stay, and each engine has its own; without that, Torch gives up at the ninth."""
    return torch.compile(  # type: ignore[call-overload]
        run,
        fullgraph=whole,
        dynamic=False,
        isolate_recompiles=True,
        recompile_limit=RECOMPILES + plans,
    )
