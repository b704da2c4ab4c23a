"""Scores of single layers: salience, and how much a layer depends on another one.

Shape suffixes: B windows, T tokens, H hidden size; L layers.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812
from transformers import LlamaForCausalLM

from benchmarks.search.plan_states import PlanStates


def weight_magnitude(dense: LlamaForCausalLM) -> list[float]:
    """[L]: the sum of the absolute weights of each layer."""
    return [
        sum(float(weight.detach().abs().double().sum()) for weight in layer.parameters())
        for layer in dense.model.layers
    ]


def taylor_salience(dense: LlamaForCausalLM, tokens_BT: torch.Tensor) -> list[float]:
    """[L]: sum over weights of |sum over windows of weight x gradient|; windows may cancel."""
    frozen = [parameter for parameter in dense.parameters() if not parameter.requires_grad]
    dense.requires_grad_(True)
    dense.zero_grad()
    for window_T in tokens_BT.clone():
        dense(window_T[None], labels=window_T[None]).loss.backward()
    scores = [
        sum(_weight_times_gradient(weight) for weight in layer.parameters())
        for layer in dense.model.layers
    ]
    dense.zero_grad(set_to_none=True)
    for parameter in frozen:
        parameter.requires_grad_(False)
    return scores


def _weight_times_gradient(weight: torch.nn.Parameter) -> float:
    assert weight.grad is not None
    return float((weight.detach() * weight.grad).abs().double().sum())


@torch.inference_mode()
def relative_magnitude(states: PlanStates) -> list[float]:
    """[L]: mean over tokens of |what a layer adds| / |its output|."""
    scores = []
    for _, input_BTH, output_BTH in states.layer_steps():
        ratio_BT = (output_BTH - input_BTH).norm(dim=-1) / output_BTH.norm(dim=-1)
        scores.append(float(ratio_BT.double().mean()))
    return scores


@torch.inference_mode()
def dependency_matrix(states: PlanStates) -> list[list[float]]:
    """[L, L] of FFN Fusion (arXiv 2503.18908).

    Entry (i, j), i < j: cosine distance between what layer j adds with layer i and without it.
    """
    increments = [step.output_BTH - step.input_BTH for step in states.layer_steps()]
    matrix = np.zeros((len(increments), len(increments)))
    for i in range(len(increments)):
        for j, input_BTH, output_BTH in states.layer_steps(skipped=i):
            if j > i:
                without_BTH = (output_BTH - input_BTH).float()
                cosine_BT = F.cosine_similarity(increments[j].float(), without_BTH, dim=-1)
                matrix[i, j] = 1 - float(cosine_BT.double().mean())
    return matrix.tolist()
