"""Log-likelihood of continuations, phase by phase: the context is prompt, the rest is decoded.

A context is run once however many continuations it has, with the plan's prefill stages. Each
continuation then follows over the cached context with the decode stages, teacher-forced in one
forward pass. Its first token is therefore predicted by the prefill pass, as in generation.
Shape suffixes: B contexts, R continuations, T tokens, H hidden size, N scored tokens.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache

from cqil.modeling import PlannedLlamaForCausalLM
from cqil.modeling.early_exit import EarlyExitHooks
from cqil.plan.early_exit_rule import EarlyExitRule

LOGITS_CHUNK = 512
"""Logits are computed for so many tokens at once; a vocabulary row is large."""


@dataclass(frozen=True)
class ScoreRequest:
    context: tuple[int, ...]
    continuation: tuple[int, ...]


@dataclass(frozen=True)
class Score:
    loglikelihood: float
    """Sum over the continuation, nats."""
    greedy: bool
    """Every token of the continuation is the most likely one."""
    layers: float | None = None
    """Mean stages of the decoded tokens, all but the last; None where all of them ran all."""


@torch.inference_mode()
def score_requests(
    model: PlannedLlamaForCausalLM,
    requests: list[ScoreRequest],
    *,
    early_exit: EarlyExitRule | None = None,
    batch_tokens: int = 2048,
    on_done: Callable[[int], object] = lambda count: None,
) -> list[Score]:
    """Scores in the order of `requests`; `on_done` hears how many are finished so far.

    With `exits`, decoded tokens leave early, each as if they were decoded one by one.
    Raises ValueError for an empty context or continuation.
    """
    for request in requests:
        if not request.context or not request.continuation:
            raise ValueError("requests: context and continuation need at least one token each")
    scores: dict[int, Score] = {}
    for batch in _batches(requests, batch_tokens):
        scores |= _score_batch(model, requests, batch, early_exit)
        on_done(len(scores))
    return [scores[i] for i in range(len(requests))]


def _batches(
    requests: list[ScoreRequest], batch_tokens: int
) -> Iterator[dict[tuple[int, ...], list[int]]]:
    """Requests by context, the longest contexts first, as many as fit into `batch_tokens`."""
    by_context: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i, request in enumerate(requests):
        by_context[request.context].append(i)
    batch: dict[tuple[int, ...], list[int]] = {}
    for context in sorted(by_context, key=len, reverse=True):
        if batch and (len(batch) + 1) * len(next(iter(batch))) > batch_tokens:
            yield batch
            batch = {}
        batch[context] = by_context[context]
    if batch:
        yield batch


def _score_batch(
    model: PlannedLlamaForCausalLM,
    requests: list[ScoreRequest],
    batch: dict[tuple[int, ...], list[int]],
    early_exit: EarlyExitRule | None,
) -> dict[int, Score]:
    cache = DynamicCache(config=model.config)
    context_BT, mask_BT = _pad([list(context) for context in batch], model.device, left=True)
    last_BH = model.model(
        context_BT,
        attention_mask=mask_BT,
        position_ids=(mask_BT.cumsum(-1) - 1).clamp(min=0),
        past_key_values=cache,
        phase="prefill",
    ).last_hidden_state[:, -1]
    row_of = {i: row for row, ids in enumerate(batch.values()) for i in ids}
    scores = {}
    for ids in _similar_lengths(row_of, requests):
        rows = torch.tensor([row_of[i] for i in ids], device=model.device)
        fed = [list(requests[i].continuation[:-1]) for i in ids]
        hidden_RTH, layers = last_BH[rows][:, None], [None] * len(ids)
        if fed[0]:
            selected = _select(cache, rows, model)
            decoded_RTH, layers = _decode(model, selected, mask_BT[rows], fed, early_exit)
            hidden_RTH = torch.cat([hidden_RTH, decoded_RTH], dim=1)
        continuations = {i: requests[i].continuation for i in ids}
        scores |= _score_hidden(model, hidden_RTH, continuations, layers)
    return scores


def _similar_lengths(ids: Iterable[int], requests: list[ScoreRequest]) -> Iterator[list[int]]:
    """Requests in groups whose continuations differ little in length, so that padding is small."""
    group: list[int] = []
    for i in sorted(ids, key=lambda i: len(requests[i].continuation), reverse=True):
        if group and len(requests[i].continuation) < 0.75 * len(requests[group[0]].continuation):
            yield group
            group = []
        group.append(i)
    yield group


def _select(cache: DynamicCache, rows: torch.Tensor, model: PlannedLlamaForCausalLM) -> Cache:
    """A cache that holds copies of some rows, so that the contexts stay as they are."""
    selected = DynamicCache(config=model.config)
    for slot, layer in enumerate(cache.layers):
        if layer.keys is None:  # of a layer whose attention the plan leaves out
            continue
        selected.update(layer.keys[rows], layer.values[rows], slot)
    return selected


def _decode(
    model: PlannedLlamaForCausalLM,
    cache: Cache,
    mask_RT: torch.Tensor,
    fed: list[list[int]],
    early_exit: EarlyExitRule | None,
) -> tuple[torch.Tensor, list[float | None]]:
    """Hidden states [R, T, H] of the continuations over their cached contexts, and mean stages."""
    fed_RT, fed_mask_RT = _pad(fed, model.device, left=False)
    positions_RT = mask_RT.sum(-1, keepdim=True) + torch.arange(
        fed_RT.shape[1], device=model.device
    )
    with nullcontext() if early_exit is None else EarlyExitHooks(model, early_exit) as leaving:
        hidden_RTH = model.model(
            fed_RT,
            attention_mask=torch.cat([mask_RT, fed_mask_RT], dim=1),
            position_ids=positions_RT,
            past_key_values=cache,
            phase="decode",
        ).last_hidden_state
    if leaving is None:
        return hidden_RTH, [None] * len(fed)
    rows = zip(leaving.depths_BT.tolist(), map(len, fed), strict=True)
    return hidden_RTH, [sum(row[:n]) / n if n else None for row, n in rows]


def _score_hidden(
    model: PlannedLlamaForCausalLM,
    hidden_RTH: torch.Tensor,
    continuations: dict[int, tuple[int, ...]],
    layers: list[float | None],
) -> dict[int, Score]:
    """Row r, token t of `hidden_RTH` predicts token t of the r-th continuation."""
    lengths = [len(continuation) for continuation in continuations.values()]
    valid_RT = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    targets_N = torch.tensor([t for continuation in continuations.values() for t in continuation])
    logp_N, greedy_N = _head(model, hidden_RTH[valid_RT.to(model.device)], targets_N)
    parts = zip(continuations, logp_N.split(lengths), greedy_N.split(lengths), layers, strict=True)
    return {
        i: Score(float(logp.sum()), bool(greedy.all()), mean) for i, logp, greedy, mean in parts
    }


def _head(
    model: PlannedLlamaForCausalLM, hidden_NH: torch.Tensor, targets_N: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each target, and whether it is the most likely token."""
    exact = torch.promote_types(hidden_NH.dtype, torch.float32)
    logp, greedy = [], []
    for part_NH, target_N in zip(
        hidden_NH.split(LOGITS_CHUNK), targets_N.to(model.device).split(LOGITS_CHUNK), strict=True
    ):
        logits_NV = model.lm_head(part_NH).to(exact)
        chosen_N = logits_NV.gather(1, target_N[:, None])[:, 0]
        logp.append(chosen_N - logits_NV.logsumexp(-1))
        greedy.append(logits_NV.argmax(-1) == target_N)
    return torch.cat(logp).double().cpu(), torch.cat(greedy).cpu()


def _pad(
    rows: list[list[int]], device: torch.device, *, left: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids [B, T] padded with 0, and their mask."""
    length = max(map(len, rows))
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        place = slice(length - len(row), length) if left else slice(0, len(row))
        ids[i, place], mask[i, place] = torch.tensor(row, dtype=torch.long), 1
    return ids.to(device), mask.to(device)
