"""Trains a student on packed windows, to a budget of tokens.

A step is the same for any number of devices: each takes its share of the step's windows, and
gradients are averaged (accelerate). What a step does depends on its number alone, so that a run
that goes on from a checkpoint equals one that was not interrupted.
Shape suffixes: B windows, T tokens of a window, S scored positions, H hidden size.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from torch import nn
from transformers import LlamaForCausalLM

from cqil.healing.losses import distillation_loss, language_model_loss
from cqil.healing.student import Student
from cqil.healing.training_options import TrainingOptions
from cqil.healing.training_state import TrainingCheckpoint, TrainingPoint
from cqil.healing.window_states import cross_entropy, scored_positions, window_states

KEPT = "the last checkpoint is kept"


class Windows(Protocol):
    """Token ids [T] of numbered windows."""

    def __len__(self) -> int: ...
    def __getitem__(self, number: int, /) -> Any: ...


class TrainingError(ValueError):
    """Training cannot go on; the last checkpoint stays."""


class Trainer:
    """Runs the steps of one training."""

    def __init__(
        self,
        dense: LlamaForCausalLM,
        student: Student,
        windows: Windows,
        held_out: Windows,
        options: TrainingOptions,
        accelerator: Accelerator,
        seed: int = 0,
    ) -> None:
        """`dense` is the teacher. Windows are taken in order, and from the first on again."""
        self.student, self.windows, self.held_out = student, windows, held_out
        self.options, self.accelerator, self.seed = options, accelerator, seed
        self.window = len(windows[0])
        self.prompt = options.prompt_tokens(self.window)
        self.step_windows = options.windows_of_step(self.window)
        self.steps = options.steps(self.window)
        _check(student, options, self.step_windows, accelerator.num_processes)
        if options.gradient_checkpointing:
            student.model.activation_checkpointing_enable({"use_reentrant": False})
        self.optimizer = torch.optim.AdamW(
            list(student.trained.values()), options.learning_rate, weight_decay=options.weight_decay
        )
        self.loss = accelerator.prepare(_WindowLoss(dense, student, options, self.prompt))
        self.points: list[TrainingPoint] = []

    def train(
        self,
        keep: Callable[[TrainingCheckpoint], object] = lambda checkpoint: None,
        earlier: TrainingCheckpoint | None = None,
        every: int = 10,
    ) -> list[TrainingPoint]:
        """The points of the training, one after each step.

        Every `every` steps, and after the last, held-out text is measured and `keep` is told. Goes
        on from `earlier`. Raises TrainingError in one line where memory runs out, or the loss is
        no number.
        """
        if earlier is None:
            self.points = [TrainingPoint(0, 0, 0.0, None, self.held_out_loss())]
        else:
            self._restore(earlier)
        for step in range(self.points[-1].step, self.steps):
            before = time.monotonic()
            loss = self._step(step)
            seconds = self.points[-1].seconds + time.monotonic() - before
            done = step + 1
            measured = done == self.steps or done % every == 0
            held_out = self.held_out_loss() if measured else None
            tokens = done * self.step_windows * self.window
            self.points.append(TrainingPoint(done, tokens, seconds, loss, held_out))
            if measured:
                keep(self._checkpoint())
        return self.points

    def held_out_loss(self) -> float:
        """Cross-entropy of the held-out windows, in nats."""
        batches = self._batches(range(len(self.held_out)), self.held_out)
        sums = torch.tensor(cross_entropy(self.student.model, batches, self.prompt)).double()
        total, count = self._summed(sums).tolist()
        return total / count

    def _step(self, step: int) -> float:
        """Changes the weights; the mean loss of the step before that."""
        try:
            loss = self._accumulate(step)
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"batch: out of memory in step {step + 1} with batch {self.options.batch}; lower "
                f"it, or set gradient_checkpointing; {KEPT} ({str(error).splitlines()[0]})"
            ) from None
        if not math.isfinite(loss):
            raise TrainingError(
                f"learning_rate: the loss is {loss} in step {step + 1} at "
                f"{self.options.learning_rate:g}; lower it; {KEPT}"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.rate(step, self.steps)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss

    def _accumulate(self, step: int) -> float:
        """Adds up the gradients of a step's windows; their mean loss over all devices."""
        devices = self.accelerator.num_processes
        # Dropout depends on the step alone.
        torch.manual_seed(self.seed + step * devices + self.accelerator.process_index)
        first = step * self.step_windows
        batches = list(self._batches(range(first, first + self.step_windows), self.windows))
        scored = self.step_windows * self.loss_tokens
        total = torch.zeros((), dtype=torch.float64)
        for batch, tokens_BT in enumerate(batches):
            waits = batch < len(batches) - 1
            with self.accelerator.no_sync(self.loss) if waits else nullcontext():
                loss = self.loss(tokens_BT)
                # Devices' gradients are averaged, and each has a part of the step's tokens.
                self.accelerator.backward(loss * devices / scored)
            total += loss.detach().double().cpu()
        return float(self._summed(total)) / scored

    @property
    def loss_tokens(self) -> int:
        """Tokens of a window that have a loss."""
        scored = scored_positions(self.student.plan, self.window, self.prompt)
        without_label = self.options.loss == "language-model"
        return scored.stop - scored.start - without_label

    def _batches(self, numbers: range, windows: Windows) -> Iterator[torch.Tensor]:
        """This device's share of numbered windows, as batches [B, T]."""
        own = numbers[self.accelerator.process_index :: self.accelerator.num_processes]
        for start in range(0, len(own), self.options.batch):
            chosen = own[start : start + self.options.batch]
            rows = [torch.as_tensor(windows[number % len(windows)]) for number in chosen]
            yield torch.stack(rows).to(self.accelerator.device)

    def _summed(self, sums: torch.Tensor) -> torch.Tensor:
        return self.accelerator.reduce(sums.to(self.accelerator.device), "sum")

    def _checkpoint(self) -> TrainingCheckpoint:
        weights = {name: weight.detach() for name, weight in self.student.trained.items()}
        return TrainingCheckpoint(self.points, weights, self.optimizer.state_dict())

    @torch.no_grad()
    def _restore(self, checkpoint: TrainingCheckpoint) -> None:
        for name, weight in self.student.trained.items():
            weight.copy_(checkpoint.weights[name])
        self.optimizer.load_state_dict(checkpoint.optimizer)
        self.points = list(checkpoint.points)


def _check(student: Student, options: TrainingOptions, step_windows: int, devices: int) -> None:
    if step_windows % devices:
        raise ValueError(
            f"step_tokens: {options.step_tokens} are {step_windows} windows a step, which "
            f"{devices} devices cannot share alike; choose a multiple"
        )
    if options.gradient_checkpointing and student.plan.prefill is not None:
        raise ValueError(
            "gradient_checkpointing: true, but the plan skips layers after the prompt, whose keys "
            "and values Transformers then does not keep; leave it off"
        )


class _WindowLoss(nn.Module):
    """Summed loss of windows; what accelerate wraps for several devices."""

    def __init__(
        self, dense: LlamaForCausalLM, student: Student, options: TrainingOptions, prompt: int
    ) -> None:
        super().__init__()
        self.model, self.options, self.prompt = student.model, options, prompt
        self._teacher = [dense]  # in a list: it is no part of what is trained

    def forward(self, tokens_BT: torch.Tensor) -> torch.Tensor:
        head_VH = self.model.lm_head.weight
        if self.options.loss == "language-model":
            states_BSH = window_states(self.model, tokens_BT, self.prompt)[:, :-1]
            labels_BS = tokens_BT[:, -states_BSH.shape[1] :]
            return language_model_loss(states_BSH.flatten(0, 1), labels_BS.flatten(), head_VH)
        scored = scored_positions(self.model.plan, tokens_BT.shape[1], self.prompt)
        with torch.no_grad():
            teacher_BSH = self._teacher[0].model(tokens_BT, use_cache=False).last_hidden_state
        return distillation_loss(
            window_states(self.model, tokens_BT, self.prompt).flatten(0, 1),
            teacher_BSH[:, scored].flatten(0, 1),
            head_VH,
            self.options.temperature,
        )
