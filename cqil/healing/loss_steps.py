"""Steps on the loss itself, of all refitted stages at once.

A refit brings each stage near to the dense stream, whether or not the head reads the difference.
Here the gradient of KL(dense || plan) goes down to the same weights. It is preconditioned as in
K-FAC (arXiv 1503.05671): by the Gram matrix of a stage's features, and by that of the gradients of
its output. Windows that no step has seen choose the length of each.
Shape suffixes: B windows, T tokens of a window, H hidden size, N tokens, F features.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from transformers import LlamaForCausalLM

from cqil.healing.least_squares import TokenSums
from cqil.healing.losses import distillation_loss
from cqil.healing.refit_options import Projection
from cqil.healing.stage_linears import change_stage, inputs_of, stage_linears
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.modeling.layer_inputs import LayerInputs

FEATURE_RIDGE, GRADIENT_RIDGE = 0.1, 0.3
"""Shares of the mean diagonals of the Gram matrices."""
LENGTHS = (0.1, 0.2, 0.4, 0.8)
"""Of a step: the share of the loss that its slope promises to take away."""


class LossSteps:
    """Changes the weights of a plan's stages."""

    @torch.no_grad()
    def __init__(
        self,
        dense: LlamaForCausalLM,
        planned: PlannedLlamaForCausalLM,
        stages: Collection[int],
        projections: Sequence[Projection],
        tokens_BT: torch.Tensor,
        batch: int,
    ) -> None:
        """`batch`: windows that run at once; gradients take the memory of all their states."""
        self.planned, self.batch, self.first = planned, batch, min(stages)
        self._layer_inputs = LayerInputs(dense)
        linears = {stage: stage_linears(planned, stage, projections) for stage in sorted(stages)}
        self.linears = {stage: members for stage, members in linears.items() if members}
        tokens = [part_BT.to(dense.device) for part_BT in tokens_BT.split(batch)]
        wanted = [dense.model(part_BT, use_cache=False).last_hidden_state for part_BT in tokens]
        self.wanted_BTH = torch.cat(wanted)
        embedded = map(dense.model.embed_tokens, tokens)
        self.x_BTH = torch.cat([self._through(0, self.first, x_BTH)[-1] for x_BTH in embedded])

    def _through(self, first: int, last: int | None, x_BTH: torch.Tensor) -> list[torch.Tensor]:
        """The stream before the first of some stages, and behind each."""
        inputs, streams = self._layer_inputs(x_BTH), [x_BTH]
        for stage in self.planned.model.decode_stages[first:last]:
            streams.append(stage(streams[-1], **inputs))
        return streams

    def _loss(self, batch: slice) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Sum over the tokens, and the stream behind each stage from the first refitted on."""
        streams = self._through(self.first, None, self.x_BTH[batch])[1:]
        found_NH = self.planned.model.norm(streams[-1]).flatten(0, 1)
        wanted_NH = self.wanted_BTH[batch].flatten(0, 1)
        return distillation_loss(found_NH, wanted_NH, self.planned.lm_head.weight), streams

    def _batches(self, begin: int, end: int) -> list[slice]:
        return [slice(i, min(i + self.batch, end)) for i in range(begin, end, self.batch)]

    @torch.no_grad()
    def loss(self, begin: int, end: int) -> float:
        """Sum over the tokens of some windows."""
        return sum(float(self._loss(batch)[0]) for batch in self._batches(begin, end))

    def step(self, begin: int, end: int, held_out: int) -> bool:
        """A step by windows `begin` to `end`, as long as serves those from `held_out` on.

        False where none serves; the weights then stay as they were.
        """
        steps = {stage: self._direction(*sums) for stage, sums in self._sums(begin, end).items()}
        slope = sum(slope for _, slope in steps.values()) / (end - begin)
        before = {
            stage: [linear.module.weight for linear in linears]
            for stage, linears in self.linears.items()
        }

        def go(length: float) -> None:
            for stage, (direction_FH, _) in steps.items():
                change_stage(self.linears[stage], before[stage], -length * direction_FH)

        windows = len(self.x_BTH) - held_out
        base = best = self.loss(held_out, len(self.x_BTH))
        taken = 0.0
        for share in LENGTHS:
            length = share * base / windows / slope
            go(length)
            loss = self.loss(held_out, len(self.x_BTH))
            if not loss < best:
                break
            best, taken = loss, length
        go(taken)
        return taken > 0

    def weights(self) -> dict[str, torch.Tensor]:
        """Name in the dense model -> its weight now."""
        linears = (linear for linears in self.linears.values() for linear in linears)
        return {linear.name: linear.module.weight.detach() for linear in linears}

    def _direction(self, features: TokenSums, outputs: TokenSums) -> tuple[torch.Tensor, float]:
        """[F, H], and how fast the loss of all tokens falls along it."""
        half_FH = features.solve(FEATURE_RIDGE)
        both_HF = TokenSums(outputs.gram_FF, half_FH.T).solve(GRADIENT_RIDGE)
        return both_HF.T, float((both_HF.T * features.cross_FH).sum())

    def _sums(self, begin: int, end: int) -> dict[int, tuple[TokenSums, TokenSums]]:
        """By stage: the features' Gram matrix with the loss's gradient, the output gradients'."""
        hidden, device, sums = self.x_BTH.shape[-1], self.x_BTH.device, {}
        for stage, linears in self.linears.items():
            features = sum(linear.module.in_features for linear in linears)
            of_features = TokenSums.empty(features, hidden, device)
            sums[stage] = (of_features, TokenSums.empty(hidden, hidden, device))
        for batch in self._batches(begin, end):
            self._add(batch, sums)
        return sums

    def _add(self, batch: slice, sums: dict[int, tuple[TokenSums, TokenSums]]) -> None:
        everywhere = [linear for linears in self.linears.values() for linear in linears]
        weights = [linear.module.weight.requires_grad_() for linear in everywhere]
        with torch.enable_grad(), inputs_of(everywhere) as seen:
            loss, streams = self._loss(batch)
            ends = [streams[stage - self.first] for stage in self.linears]
            gradients = torch.autograd.grad(loss, [*ends, *weights])
        of_ends, of_weights = gradients[: len(ends)], iter(gradients[len(ends) :])
        for (stage, linears), g_BTH in zip(self.linears.items(), of_ends, strict=True):
            features, outputs = sums[stage]
            f_BTF = torch.cat([linear.share * seen[linear.name].detach() for linear in linears], -1)
            features.add_gram(f_BTF.flatten(0, 1))
            outputs.add_gram(g_BTH.flatten(0, 1))
            features.cross_FH += torch.cat([next(of_weights).T for _ in linears])
        for linear in everywhere:
            linear.module.weight.requires_grad_(False)
