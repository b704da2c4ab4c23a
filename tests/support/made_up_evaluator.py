"""The fake workbench with answers to everything: those that no test gives are drawn by seed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import numpy as np
from fake_evaluator import FakeEvaluator


def drawn(seed, question):
    """A number from 0 to 1 that depends on the question alone."""
    text = json.dumps([seed, question], sort_keys=True)
    return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) / 16**12


class MadeUpEvaluator(FakeEvaluator):
    def __init__(self, num_layers, *, losses=None, cosines=None, saliences=None, seed=0):
        """`losses`: of plans; `cosines`: of lists of merges; `saliences`: kind -> scores."""
        super().__init__(num_layers, losses or (lambda plan: drawn(seed, plan.to_dict())), grid=3)
        self.merges, self.seed = [], seed
        self._saliences = saliences or {}
        self._cosines = cosines or (lambda merges: drawn(seed, [asdict(m) for m in merges]))

    def salience(self, kind):
        made_up_results = [drawn(self.seed, [kind, layer]) for layer in range(self.num_layers)]
        return np.array(self._saliences.get(kind, made_up_results))

    def merged_similarity(self, merges):
        self.merges.append(list(merges))
        return self._cosines(merges)


def searched(method, bench):
    """What the search found, as it comes back from its file."""
    found = json.loads(json.dumps(method.search(bench)))
    assert len(bench.asked) + len(bench.merges) <= bench.expected
    return found
