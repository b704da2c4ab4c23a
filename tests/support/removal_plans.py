"""Plans of removal rules, and which layers they remove."""

from made_up_evaluator import searched

from cqil.methods.evidence import Evidence


def removed(plan):
    """The layers that a plan leaves out; it must do nothing else."""
    assert plan.prefill is None
    assert plan.max_group_size == 1
    return set(range(plan.num_layers)) - set(plan.layers)


def run(method, bench):
    """The plan after the method's search."""
    result = searched(method, bench)
    return method.plan(Evidence(num_layers=bench.num_layers, search_result=result))
