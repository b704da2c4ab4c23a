"""Log-likelihood of continuations, phase by phase: the context is prompt, the rest is decoded.

Each context runs once, with the prefill stages of the plan, even if it has many continuations. Each
continuation then runs over the cached context with the decode stages, teacher-forced in one forward
pass. The prefill pass predicts its first token, as in generation.
Shape suffixes: B contexts, R continuations, T tokens, H hidden size, N scored tokens.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer

from benchmarks.accuracy.padding import pad_tokens
from benchmarks.runtime.errors import check_finite_scores
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.modeling.chunked_logits import logits_in_chunks
from cqil.modeling.early_exit import EarlyExitHooks
from cqil.modeling.precision import at_least_float32
from cqil.modeling.scheduled_decoding import ScheduleHooks
from cqil.plan.early_exit_rule import EarlyExitRule
from cqil.plan.schedule import Schedule

DepthRule = EarlyExitRule | Schedule
"""What gives each decoded token its own number of stages."""
LOGITS_CHUNK = 512
"""Number of tokens whose logits are computed at once."""


@dataclass(frozen=True)
class ScoreRequest:
    """Token ids: a context, and the continuation to score."""

    context: tuple[int, ...]
    continuation: tuple[int, ...]


@dataclass(frozen=True)
class Score:
    """The score of one continuation."""

    loglikelihood: float
    """Sum over the tokens of the continuation, in nats."""
    greedy: bool
    """Whether every token of the continuation is the most likely one."""
    layers: float | None = None
    """Mean number of stages of the tokens that were decoded, which are all but the last. None
    without a depth rule, and where nothing was decoded."""


@torch.inference_mode()
def score_requests(
    model: PlannedLlamaForCausalLM,
    requests: list[ScoreRequest],
    *,
    depth_rule: DepthRule | None = None,
    batch_tokens: int = 2048,
    on_done: Callable[[int], object] = lambda count: None,
) -> list[Score]:
    """Scores in the order of `requests`.

    With a `depth_rule` decoded tokens run fewer stages, as if they were decoded one by one; under a
    schedule the model must run its first plan. A batch has at most `batch_tokens` context tokens,
    or a single context. `on_done` gets the number of requests that are finished. Raises ValueError
    for an empty context or continuation, and NotFiniteError for a score that is no number.
    """
    for request in requests:
        if not request.context or not request.continuation:
            raise ValueError("requests: context and continuation need at least one token each")
    scores: dict[int, Score] = {}
    for batch in _batches(requests, batch_tokens):
        scores |= _score_batch(model, requests, batch, depth_rule)
        on_done(len(scores))
    return [scores[i] for i in range(len(requests))]


def _batches(
    requests: list[ScoreRequest], batch_tokens: int
) -> Iterator[dict[tuple[int, ...], list[int]]]:
    """Batches: context -> indices of its requests. The longest contexts come first."""
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
    depth_rule: DepthRule | None,
) -> dict[int, Score]:
    """Index of a request -> its score, for the requests of one batch."""
    cache = DynamicCache(config=model.config)
    context_BT, mask_BT = pad_tokens([list(context) for context in batch], model.device, left=True)
    last_BH = model.model(
        context_BT,
        attention_mask=mask_BT,
        position_ids=(mask_BT.cumsum(-1) - 1).clamp(min=0),
        past_key_values=cache,
        phase="prefill",
    ).last_hidden_state[:, -1]
    row_of_request = {i: row for row, indices in enumerate(batch.values()) for i in indices}
    scores: dict[int, Score] = {}
    for indices in _similar_lengths(row_of_request, requests):
        rows_R = torch.tensor([row_of_request[i] for i in indices], device=model.device)
        inputs = [list(requests[i].continuation[:-1]) for i in indices]
        hidden_RTH = last_BH[rows_R][:, None]
        layers: list[float | None] = [None] * len(indices)
        if inputs[0]:
            rows_cache = _select_rows(cache, rows_R, model)
            decoded_RTH, layers = _decode(model, rows_cache, mask_BT[rows_R], inputs, depth_rule)
            hidden_RTH = torch.cat([hidden_RTH, decoded_RTH], dim=1)
        continuations = {i: requests[i].continuation for i in indices}
        scores |= _score_hidden(model, hidden_RTH, continuations, layers)
    return scores


def _similar_lengths(indices: Iterable[int], requests: list[ScoreRequest]) -> Iterator[list[int]]:
    """Groups of requests whose continuations differ little in length, so that padding is small.

    The longest come first, within each group too.
    """
    group: list[int] = []
    for i in sorted(indices, key=lambda i: len(requests[i].continuation), reverse=True):
        if group and len(requests[i].continuation) < 0.75 * len(requests[group[0]].continuation):
            yield group
            group = []
        group.append(i)
    yield group


def _select_rows(
    cache: DynamicCache, rows_R: torch.Tensor, model: PlannedLlamaForCausalLM
) -> Cache:
    """A new cache with copies of some rows, so that the original stays unchanged."""
    rows_cache = DynamicCache(config=model.config)
    for slot, layer in enumerate(cache.layers):
        assert isinstance(layer, DynamicLayer)
        if layer.keys is None or layer.values is None:  # the plan leaves out its attention
            continue
        rows_cache.update(layer.keys[rows_R], layer.values[rows_R], slot)
    return rows_cache


def _decode(
    model: PlannedLlamaForCausalLM,
    cache: Cache,
    mask_RT: torch.Tensor,
    inputs: list[list[int]],
    depth_rule: DepthRule | None,
) -> tuple[torch.Tensor, list[float | None]]:
    """Hidden states [R, T, H] of the continuations over their contexts, and mean stages [R].

    `mask_RT`: 1 for the tokens of the contexts; `inputs`: tokens to decode, by continuation.
    """
    inputs_RT, inputs_mask_RT = pad_tokens(inputs, model.device, left=False)
    steps_T = torch.arange(inputs_RT.shape[1], device=model.device)
    positions_RT = mask_RT.sum(-1, keepdim=True) + steps_T
    with _depth_hooks(model, depth_rule) as hooks:
        hidden_RTH = model.model(
            inputs_RT,
            attention_mask=torch.cat([mask_RT, inputs_mask_RT], dim=1),
            position_ids=positions_RT,
            past_key_values=cache,
            phase="decode",
        ).last_hidden_state
    if hooks is None:
        return hidden_RTH, [None] * len(inputs)
    depths_and_lengths = zip(hooks.depths_BT.tolist(), map(len, inputs), strict=True)
    return hidden_RTH, [sum(depths[:n]) / n if n else None for depths, n in depths_and_lengths]


def _depth_hooks(
    model: PlannedLlamaForCausalLM, depth_rule: DepthRule | None
) -> AbstractContextManager[EarlyExitHooks | ScheduleHooks | None]:
    if depth_rule is None:
        return nullcontext()
    if isinstance(depth_rule, Schedule):
        return ScheduleHooks(model, depth_rule)
    return EarlyExitHooks(model, depth_rule)


def _score_hidden(
    model: PlannedLlamaForCausalLM,
    hidden_RTH: torch.Tensor,
    continuations: dict[int, tuple[int, ...]],
    layers: list[float | None],
) -> dict[int, Score]:
    """Index of a request -> its score.

    Row r, token t of `hidden_RTH` predicts token t of the r-th continuation.
    """
    lengths = [len(continuation) for continuation in continuations.values()]
    valid_RT = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    targets_N = torch.tensor([t for continuation in continuations.values() for t in continuation])
    logp_N, greedy_N = _target_logp(model, hidden_RTH[valid_RT.to(model.device)], targets_N)
    check_finite_scores(logp_N.tolist(), "log-probability of a token")
    rows = zip(continuations, logp_N.split(lengths), greedy_N.split(lengths), layers, strict=True)
    return {
        i: Score(float(logp_T.sum()), bool(greedy_T.all()), mean_layers)
        for i, logp_T, greedy_T, mean_layers in rows
    }


def _target_logp(
    model: PlannedLlamaForCausalLM, hidden_NH: torch.Tensor, targets_N: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each target [N], and whether it is the most likely token [N]."""
    target_chunks = targets_N.to(model.device).split(LOGITS_CHUNK)
    logits_chunks = logits_in_chunks(model.lm_head, hidden_NH, LOGITS_CHUNK)
    logp_chunks, greedy_chunks = [], []
    for raw_logits_NV, target_N in zip(logits_chunks, target_chunks, strict=True):
        logits_NV = at_least_float32(raw_logits_NV)
        target_logits_N = logits_NV.gather(1, target_N[:, None])[:, 0]
        logp_chunks.append(target_logits_N - logits_NV.logsumexp(-1))
        greedy_chunks.append(logits_NV.argmax(-1) == target_N)
    return torch.cat(logp_chunks).double().cpu(), torch.cat(greedy_chunks).cpu()
