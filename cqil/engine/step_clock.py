"""The clock of all timed decode steps: CUDA events on a GPU, the wall clock on a CPU.

Shape suffixes: B sequences, T tokens.
"""

from __future__ import annotations

import time
from itertools import pairwise

import torch

from cqil.engine.engine import Engine


def synchronized_time(device: torch.device) -> float:
    """Seconds of the wall clock, once the device has finished all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


class StepClock:
    """Time stamps between steps. The host waits for a CUDA device only in `intervals`."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._events: list[torch.cuda.Event] = []
        self._times: list[float] = []

    def mark(self) -> None:
        """Takes a time stamp: the end of one step and the start of the next."""
        if self.device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record(torch.cuda.current_stream(self.device))
            self._events.append(event)
        else:
            self._times.append(time.perf_counter())

    def intervals(self) -> list[float]:
        """Seconds between successive time stamps."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            events = pairwise(self._events)
            return [start.elapsed_time(end) / 1e3 for start, end in events]
        return [end - start for start, end in pairwise(self._times)]


def step_times(engine: Engine, prompt_BT: torch.Tensor, new_tokens: int) -> list[float]:
    """Seconds of the prefill, then of each of `new_tokens` greedy decode steps.

    A rank without the LM head has no logits and feeds the prompt's last token again.
    """
    prompt_BT = prompt_BT.to(engine.device)
    token_B = prompt_BT[:, -1]
    clock = StepClock(engine.device)
    clock.mark()
    logits_BV = engine.prefill(prompt_BT, max_tokens=prompt_BT.shape[1] + new_tokens)
    clock.mark()
    for _ in range(new_tokens):
        token_B = token_B if logits_BV is None else logits_BV.argmax(-1)
        logits_BV = engine.decode_step(token_B)
        clock.mark()
    return clock.intervals()
