"""The dense model over calibration text: answers what searches for plans ask, and stores answers.

Shape suffixes: B windows, T tokens, H hidden size, N scored tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812
from transformers import LlamaForCausalLM

from benchmarks.accuracy.phase_aware_scoring import ScoreRequest, score_requests
from benchmarks.runtime.errors import check_finite_scores
from benchmarks.runtime.progress import Progress
from benchmarks.search.layer_scores import (
    dependency_matrix,
    relative_magnitude,
    taylor_salience,
    weight_magnitude,
)
from benchmarks.search.plan_states import PlanStates
from benchmarks.search.stored_answers import StoredAnswers
from cqil.edits.edited_weights import edited_model
from cqil.edits.weight_edit import LayerMerge
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.modeling.chunked_logits import logits_in_chunks
from cqil.plan import LayerPlan, dense_plan
from cqil.plan.early_exit_rule import EarlyExitRule

LOGITS_CHUNK = 256
"""Number of tokens whose logits are computed at once."""


class CalibrationEvaluator:
    """A `PlanEvaluator` over windows of equal length; each is scored from one token on."""

    def __init__(
        self,
        dense: LlamaForCausalLM,
        windows: Sequence[Sequence[int]],
        grid: int,
        answers: Path,
        key: str,
        first_scored: int,
    ) -> None:
        """`answers`: folder of stored answers; `key` identifies model, text and scoring in it.

        `first_scored`: place of the first scored token of a window, from 1.
        """
        self.dense, self.grid = dense, grid
        self.num_layers: int = dense.config.num_hidden_layers
        self.tokens_BT = torch.tensor([list(window) for window in windows], device=dense.device)
        self.progress: Progress | None = None
        self._first_scored = first_scored
        self._states = PlanStates(dense, self.tokens_BT)
        self._answers = StoredAnswers(answers, key)
        self._dense_chunks: list[torch.Tensor] | None = None
        """Log-probabilities [N, V] of the dense model in chunks, from the first divergence on."""

    def set_total(self, evaluations: int) -> None:
        """How many evaluations the search takes at most; for the progress line."""
        if self.progress is not None:
            self.progress.total = evaluations

    def loss(self, plan: LayerPlan) -> float:
        """Mean negative log-likelihood of the scored tokens, nats a token."""
        return self._answer(["loss", plan.to_dict()], lambda: self._loss(plan))

    def divergence(self, plan: LayerPlan) -> float:
        """Mean KL divergence from the dense model's next token, nats a token."""
        return self._answer(["divergence", plan.to_dict()], lambda: self._divergence(plan))

    def layers_run(self, early_exit: EarlyExitRule) -> float:
        """Mean layers of a scored token where tokens leave the dense model early."""
        question = ["layers", early_exit.to_dict()]
        return float(self._answer(question, lambda: self._layers_run(early_exit)))

    def dependency(self) -> np.ndarray:
        """[L, L]: `dependency_matrix`."""
        return np.array(self._answer(["dependency"], lambda: dependency_matrix(self._states)))

    def salience(self, kind: Literal["magnitude", "taylor", "relative"]) -> np.ndarray:
        """[L]: how much the weights of each layer matter, by one of three measures."""
        measures: dict[str, Callable[[], list[float]]] = {
            "magnitude": lambda: weight_magnitude(self.dense),
            "taylor": lambda: taylor_salience(self.dense, self.tokens_BT),
            "relative": lambda: relative_magnitude(self._states),
        }
        return np.array(self._answer(["salience", kind], measures[kind]))

    def merged_similarity(self, merges: Sequence[LayerMerge]) -> float:
        """Mean cosine between the final states of a merged model and those of the dense one.

        As LaCo (arXiv 2402.11187) does, it compares the flattened states of each window.
        """
        question = ["merges", [asdict(merge) for merge in merges]]
        return float(self._answer(question, lambda: self._merged_similarity(merges)))

    def _answer(self, question: list[Any], compute: Callable[[], Any]) -> Any:
        def checked() -> Any:
            answer = compute()
            check_finite_scores(np.ravel(answer).tolist(), f"{question[0]} of the search")
            return answer

        answer = self._answers.get(question, checked)
        if self.progress is not None:
            self.progress.update()
        return answer

    @torch.inference_mode()
    def _loss(self, plan: LayerPlan) -> float:
        targets_N = self._scored_tokens()
        total = torch.zeros((), dtype=torch.float64)
        chunks = zip(self._log_probabilities(plan), targets_N.split(LOGITS_CHUNK), strict=True)
        for logp_NV, target_N in chunks:
            total += F.nll_loss(logp_NV, target_N, reduction="sum").double().cpu()
        return float(total) / len(targets_N)

    @torch.inference_mode()
    def _divergence(self, plan: LayerPlan) -> float:
        if self._dense_chunks is None:
            self._dense_chunks = list(self._log_probabilities(dense_plan(self.num_layers)))
        total = torch.zeros((), dtype=torch.float64)
        chunks = zip(self._log_probabilities(plan), self._dense_chunks, strict=True)
        for logp_NV, dense_logp_NV in chunks:
            kl = F.kl_div(logp_NV, dense_logp_NV, reduction="sum", log_target=True)
            total += kl.double().cpu()
        return float(total) / len(self._scored_tokens())

    def _scored_tokens(self) -> torch.Tensor:
        """[N]: the scored tokens of all windows."""
        return self.tokens_BT[:, self._first_scored :].flatten()

    def _log_probabilities(self, plan: LayerPlan) -> Iterator[torch.Tensor]:
        """[N, V] of the scored tokens, in chunks of N."""
        x_BTH = self._states.last(plan)
        predicting_NH = x_BTH[:, self._first_scored - 1 : -1].flatten(0, 1)
        head, norm = self.dense.lm_head, self.dense.model.norm
        for logits_NV in logits_in_chunks(
            lambda x_NH: head(norm(x_NH)), predicting_NH, LOGITS_CHUNK
        ):
            yield logits_NV.float().log_softmax(-1)

    def _layers_run(self, early_exit: EarlyExitRule) -> float:
        model = PlannedLlamaForCausalLM.from_dense(self.dense, dense_plan(self.num_layers))
        first = self._first_scored
        windows = (tuple(window) for window in self.tokens_BT.tolist())
        requests = [ScoreRequest(window[:first], window[first:]) for window in windows]
        scores = score_requests(model, requests, depth_rule=early_exit)
        return sum(score.layers for score in scores if score.layers is not None) / len(scores)

    @torch.inference_mode()
    def _merged_similarity(self, merges: Sequence[LayerMerge]) -> float:
        taken = {layer for merge in merges for layer in merge.taken}
        kept = tuple((layer,) for layer in range(self.num_layers) if layer not in taken)
        with edited_model(self.dense, merges):
            merged_states = PlanStates(self.dense, self.tokens_BT, keep=False)
            merged_BTH = merged_states.last(LayerPlan(num_layers=self.num_layers, groups=kept))
        dense_BTH = self._states.last(dense_plan(self.num_layers))
        norm = self.dense.model.norm
        merged_BN, dense_BN = norm(merged_BTH).flatten(1), norm(dense_BTH).flatten(1)
        return float(F.cosine_similarity(merged_BN, dense_BN, dim=-1).double().mean())
