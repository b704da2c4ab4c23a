"""The dense model over calibration text: what searches for plans ask, answered and remembered.

Plans that share their first stages share the states behind them, and every answer is stored in a
file of its own, so that searches resume and share what they have in common.
Shape suffixes: B windows, T tokens, H hidden size, N scored tokens, V vocabulary.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812
from transformers import LlamaForCausalLM
from transformers.masking_utils import create_causal_mask

from benchmarks.accuracy.phase_aware_scoring import ScoreRequest, score_requests
from benchmarks.results.files import read_json, write_json
from benchmarks.runtime.progress import Progress
from cqil.methods.evidence import LayerMerge
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.modeling.layer_merging import apply_merges
from cqil.modeling.planned_llama import LayerGroup
from cqil.plan import LayerPlan, dense_plan
from cqil.plan.early_exit_rule import EarlyExitRule
from cqil.plan.stages import Stage, layer_of

MAX_KEPT_STATES = 200
"""States behind shared stages that stay in memory; one is windows x tokens x hidden size."""
LOGITS_CHUNK = 256
"""Logits are computed for so many tokens at once."""


class CalibrationEvaluator:
    """Answers over windows of equal length; the second half of each is scored."""

    def __init__(
        self,
        dense: LlamaForCausalLM,
        windows: Sequence[Sequence[int]],
        grid: int,
        answers: Path,
        key: str,
    ) -> None:
        """`answers`: folder of stored answers; `key` tells model and text apart from others."""
        self.dense, self.grid, self.key, self.answers = dense, grid, key, answers
        self.num_layers = dense.config.num_hidden_layers
        self.tokens_BT = torch.tensor([list(window) for window in windows], device=dense.device)
        self.progress: Progress | None = None
        self._dense: list[torch.Tensor] | None = None
        """Log-probabilities of the dense model, once a divergence was asked for."""
        self._states: OrderedDict[tuple[Any, ...], torch.Tensor] = OrderedDict()
        with torch.inference_mode():
            embedded_BTH = dense.model.embed_tokens(self.tokens_BT)
            positions_1T = torch.arange(self.tokens_BT.shape[1], device=dense.device)[None]
            self._embedded_BTH = embedded_BTH
            self._layer_inputs = {
                "attention_mask": create_causal_mask(
                    config=dense.config,
                    inputs_embeds=embedded_BTH,
                    attention_mask=None,
                    past_key_values=None,
                    position_ids=positions_1T,
                ),
                "position_embeddings": dense.model.rotary_emb(embedded_BTH, positions_1T),
                "position_ids": positions_1T,
            }

    def expect(self, evaluations: int) -> None:
        if self.progress is not None:
            self.progress.total = evaluations

    def loss(self, plan: LayerPlan) -> float:
        return self._stored(["loss", plan.to_dict()], lambda: self._loss(plan))

    def divergence(self, plan: LayerPlan) -> float:
        return self._stored(["divergence", plan.to_dict()], lambda: self._divergence(plan))

    def layers_run(self, early_exit: EarlyExitRule) -> float:
        return float(
            self._stored(["layers", early_exit.to_dict()], lambda: self._layers_run(early_exit))
        )

    def _layers_run(self, early_exit: EarlyExitRule) -> float:
        model = PlannedLlamaForCausalLM.from_dense(self.dense, dense_plan(self.num_layers))
        half = self.tokens_BT.shape[1] // 2
        windows = (tuple(window) for window in self.tokens_BT.tolist())
        requests = [ScoreRequest(window[:half], window[half:]) for window in windows]
        found = [scored.layers for scored in score_requests(model, requests, early_exit=early_exit)]
        return sum(layers for layers in found if layers is not None) / len(found)

    @torch.inference_mode()
    def _loss(self, plan: LayerPlan) -> float:
        targets_N = self._scored_tokens()
        total = torch.zeros((), dtype=torch.float64)
        parts = zip(self._log_probabilities(plan), targets_N.split(LOGITS_CHUNK), strict=True)
        for own_NV, target_N in parts:
            total += F.nll_loss(own_NV, target_N, reduction="sum").double().cpu()
        return float(total) / len(targets_N)

    @torch.inference_mode()
    def _divergence(self, plan: LayerPlan) -> float:
        if self._dense is None:
            self._dense = list(self._log_probabilities(dense_plan(self.num_layers)))
        total = torch.zeros((), dtype=torch.float64)
        for own_NV, dense_NV in zip(self._log_probabilities(plan), self._dense, strict=True):
            kl = F.kl_div(own_NV, dense_NV, reduction="sum", log_target=True)
            total += kl.double().cpu()
        return float(total) / len(self._scored_tokens())

    def _scored_tokens(self) -> torch.Tensor:
        return self.tokens_BT[:, self.tokens_BT.shape[1] // 2 :].flatten()

    def _log_probabilities(self, plan: LayerPlan) -> Iterator[torch.Tensor]:
        """[N, V] of so many scored tokens at once."""
        for x_NH in self._last_states(plan).split(LOGITS_CHUNK):
            yield self.dense.lm_head(self.dense.model.norm(x_NH)).float().log_softmax(-1)

    def _last_states(self, plan: LayerPlan) -> torch.Tensor:
        """[N, H]: the states that predict the scored tokens."""
        x_BTH = self._run(plan)
        return x_BTH[:, self.tokens_BT.shape[1] // 2 - 1 : -1].flatten(0, 1)

    def _run(self, plan: LayerPlan) -> torch.Tensor:
        """The state [B, T, H] after the last stage. An own prefill or a ladder is not searched."""
        assert plan.prefill is None
        assert plan.ladder is None
        # Single layers do the same whatever the bypass, so plans share them.
        keys = [
            (s, None if len(s) == 1 else (plan.bypass, plan.bypass_target)) for s in plan.groups
        ]
        done = next((n for n in range(len(keys), 0, -1) if tuple(keys[:n]) in self._states), 0)
        x_BTH = self._states[tuple(keys[:done])] if done else self._embedded_BTH
        for n in range(done, len(keys)):
            x_BTH = self._stage(plan.groups[n], plan)(x_BTH, **self._layer_inputs)
            self._keep(tuple(keys[: n + 1]), x_BTH)
        return x_BTH

    def _stage(self, stage: Stage, plan: LayerPlan) -> torch.nn.Module:
        layers = [self.dense.model.layers[layer_of(member)] for member in stage]
        if stage == (layer_of(stage[0]),):
            return layers[0]
        return LayerGroup(stage, layers, plan.bypass, plan.bypass_target)  # type: ignore[arg-type]

    def _keep(self, key: tuple[Any, ...], x_BTH: torch.Tensor) -> None:
        self._states[key] = x_BTH
        if len(self._states) > MAX_KEPT_STATES:
            self._states.popitem(last=False)

    @torch.inference_mode()
    def dependency(self) -> np.ndarray:
        """FFN Fusion's matrix (arXiv 2503.18908): what layer j adds, with and without layer i."""

        def measure() -> list[list[float]]:
            matrix = np.zeros((self.num_layers, self.num_layers))
            added = dict(self._increments(None))
            for i in range(self.num_layers):
                for j, without_BTH in self._increments(i):
                    cosine = F.cosine_similarity(added[j].float(), without_BTH.float(), dim=-1)
                    matrix[i, j] = 1 - float(cosine.double().mean())
            return matrix.tolist()

        return np.array(self._stored(["dependency"], measure))

    def _increments(self, dropped: int | None) -> Iterator[tuple[int, torch.Tensor]]:
        """What each layer behind the dropped one adds to the stream; all layers where none is."""
        x_BTH = self._embedded_BTH
        for j, layer in enumerate(self.dense.model.layers):
            if j == dropped:
                continue
            out_BTH = layer(x_BTH, **self._layer_inputs)
            if dropped is None or j > dropped:
                yield j, out_BTH - x_BTH
            x_BTH = out_BTH

    def salience(self, kind: Literal["magnitude", "taylor", "relative"]) -> np.ndarray:
        measure = {
            "magnitude": self._magnitude,
            "taylor": self._taylor,
            "relative": self._relative,
        }[kind]
        return np.array(self._stored(["salience", kind], measure))

    def _magnitude(self) -> list[float]:
        """Sum of absolute weights."""
        layers = self.dense.model.layers
        return [
            sum(float(w.detach().abs().double().sum()) for w in layer.parameters())
            for layer in layers
        ]

    def _taylor(self) -> list[float]:
        """Sum over weights of |sum over windows of weight x gradient|: signs may cancel."""
        layers = self.dense.model.layers
        frozen = [p for p in self.dense.parameters() if not p.requires_grad]
        self.dense.requires_grad_(True)
        self.dense.zero_grad()
        for window_T in self.tokens_BT.clone():
            self.dense(window_T[None], labels=window_T[None]).loss.backward()
        found = [
            sum(float((w.detach() * w.grad).abs().double().sum()) for w in layer.parameters())
            for layer in layers
        ]
        self.dense.zero_grad(set_to_none=True)
        for parameter in frozen:
            parameter.requires_grad_(False)
        return found

    @torch.inference_mode()
    def _relative(self) -> list[float]:
        """Mean over tokens of |what a layer adds| / |its output|."""
        found, x_BTH = [], self._embedded_BTH
        for layer in self.dense.model.layers:
            out_BTH = layer(x_BTH, **self._layer_inputs)
            ratio = (out_BTH - x_BTH).norm(dim=-1) / out_BTH.norm(dim=-1)
            found.append(float(ratio.double().mean()))
            x_BTH = out_BTH
        return found

    @torch.inference_mode()
    def merged_similarity(self, merges: Sequence[LayerMerge]) -> float:
        def measure() -> float:
            merged = copy.copy(self)
            merged.dense = copy.deepcopy(self.dense)
            apply_merges(merged.dense, merges)
            gone = {layer for merge in merges for layer in merge.taken}
            kept = [(n,) for n in range(self.num_layers) if n not in gone]
            merged._states = OrderedDict()
            own = merged._run(LayerPlan(num_layers=self.num_layers, groups=tuple(kept)))
            dense = self._run(dense_plan(self.num_layers))
            norm = self.dense.model.norm
            # LaCo compares the flattened final states of each sentence.
            cosine_B = F.cosine_similarity(norm(own).flatten(1), norm(dense).flatten(1), dim=-1)
            return float(cosine_B.double().mean())

        return float(self._stored(["merges", [asdict(merge) for merge in merges]], measure))

    def _stored(self, question: list[Any], answer: Callable[[], Any]) -> Any:
        """The answer on file, or a new one that is put there."""
        text = json.dumps([self.key, question], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        path = self.answers / digest[:2] / f"{digest}.json"
        if path.exists():
            found = read_json(path)["answer"]
        else:
            found = answer()
            write_json(path, {"question": question, "answer": found})
        if self.progress is not None:
            self.progress.update()
        return found
