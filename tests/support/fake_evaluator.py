"""A workbench without a model: answers by functions of the plan, and remembers what was asked."""

import json

import numpy as np

from cqil.methods.evidence import Evidence


class FakeEvaluator:
    def __init__(self, num_layers, score=None, dependency=None, grid=13):
        """`score`: plan -> loss and divergence alike."""
        self.num_layers, self.grid = num_layers, grid
        self.asked, self.expected = [], None
        self._score, self._dependency = score, dependency

    def loss(self, plan):
        self.asked.append(plan)
        return self._score(plan)

    divergence = loss

    def dependency(self):
        self.asked.append("dependency")
        return np.array(self._dependency)

    def set_total(self, evaluations):
        self.expected = evaluations


def run(method, evaluator):
    """The plan of a method with a search, by way of JSON as in the workflow."""
    found = json.loads(json.dumps(method.search(evaluator)))
    assert len(evaluator.asked) <= evaluator.expected
    return method.plan(Evidence(num_layers=evaluator.num_layers, search_result=found))
