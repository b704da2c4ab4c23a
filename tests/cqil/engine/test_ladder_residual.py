"""Ladders: their formula, what they leave unchanged, and sums that overlap with computation."""

import pytest
import torch
from equality import assert_reference, fault_of
from rank_functions import scheduled_logits
from reference import Reference
from strategies import Case
from tiny_models import Shape, tiny_dense, tokens_of

from cqil import LayerPlan, dense_plan, kept_layers_plan
from cqil.engine import Engine
from cqil.engine.options import EngineOptions
from cqil.engine.parallel.communicator import COMMUNICATORS
from cqil.engine.parallel.layout import Layout
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.plan.schedule import Schedule

pytestmark = pytest.mark.usefixtures("full_float64")


def ladder(num_layers, start, end, **fields):
    groups = fields.pop("groups", dense_plan(num_layers).groups)
    return LayerPlan(num_layers=num_layers, groups=groups, ladder=(start, end), **fields)


def assert_close(tensor, expected):
    torch.testing.assert_close(tensor, expected, rtol=0, atol=1e-12)


@torch.no_grad()
def test_formula_of_two_layers():
    dense = tiny_dense(2)
    model = PlannedLlamaForCausalLM.from_dense(dense, ladder(2, 0, 2)).model
    r0 = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(2)).double()
    rotary = dense.model.rotary_emb(r0, torch.arange(5)[None])
    first, second = dense.model.layers

    def attention(layer, x):
        return layer.self_attn(layer.input_layernorm(x), position_embeddings=rotary)[0]

    def mlp(layer, x):
        return layer.mlp(layer.post_attention_layernorm(x))

    r1 = r0 + attention(first, r0)
    r2 = r1 + mlp(first, r0)
    r3 = r2 + attention(second, r1)
    r4 = r3 + mlp(second, r2)
    (run,) = model.decode_stages
    assert_close(run(r0, position_embeddings=rotary), r4)


@torch.no_grad()
def test_a_ladder_of_one_layer_is_attention_beside_mlp():
    dense, ids_BT = tiny_dense(3), tokens_of(2, 5)
    beside = LayerPlan(num_layers=3, groups=[[0], ["1.attn", "1.mlp"], [2]])
    one, two = (
        PlannedLlamaForCausalLM.from_dense(dense, p)(ids_BT) for p in (ladder(3, 1, 2), beside)
    )
    assert_close(one.logits, two.logits)


@torch.no_grad()
def test_hidden_states_are_those_between_layers():
    dense, ids_BT = tiny_dense(5), tokens_of(2, 5)
    plan = ladder(5, 2, 4)
    stock = dense(ids_BT, output_hidden_states=True).hidden_states
    out = PlannedLlamaForCausalLM.from_dense(dense, plan)(
        ids_BT, output_hidden_states=True, output_attentions=True
    )
    states = out.hidden_states
    assert len(states) == 6
    assert all(torch.equal(*pair) for pair in zip(states[:3], stock[:3], strict=True))
    # The first attention of a ladder is the stock one; from its MLP on all differs.
    assert not torch.allclose(states[3], stock[3], atol=1e-3)
    first = PlannedLlamaForCausalLM.from_dense(dense, ladder(5, 2, 3))
    assert_close(states[3], first(ids_BT, output_hidden_states=True).hidden_states[3])


def test_cached_text_is_that_of_the_whole_sequence():
    dense, ids_BT, plan = tiny_dense(6), tokens_of(2, 5), ladder(6, 1, 5)
    model = PlannedLlamaForCausalLM.from_dense(dense, plan)
    cached_BT = model.generate(ids_BT, max_new_tokens=6)
    assert torch.equal(model.generate(ids_BT, max_new_tokens=6, use_cache=False), cached_BT)
    for row, tokens in zip(ids_BT, cached_BT, strict=True):
        assert tokens.tolist() == Reference(dense, plan).greedy(row.tolist(), 6)


# --- ranks

PLANS = [
    ladder(6, 0, 6),
    ladder(6, 2, 5, groups=[[0, 1], [2], [4], [5]], bypass=1),
    ladder(5, 1, 4, groups=[[0], [2], [4]], prefill=[[0], [1], [2], [3], [4]]),
]
LAYOUTS = [
    Layout(tensor_parallel_size=2),
    Layout(group_parallel_size=2),
    Layout(group_parallel_size=2, ungrouped_layers="replicate"),
    Layout(group_parallel_size=2, ungrouped_layers="shard"),
]


@pytest.mark.parametrize("plan", PLANS, ids=["whole", "beside a pair", "own prompt"])
def test_two_ranks(two_ranks, plan):
    """Logits, and messages as predicted."""
    case = Case(plan, Shape(attention_bias=True, mlp_bias=True), 0, 4, [0, 2])
    for layout in LAYOUTS:
        assert two_ranks.run(fault_of, case, layout) == [None] * 2


@pytest.mark.parametrize("ungrouped_layers", ["rank0", "replicate", "shard"])
def test_group_parallel_over_tensor_parallel_ranks(four_ranks, ungrouped_layers):
    case = Case(PLANS[1], Shape(), 0, 4, [0, 2])
    layout = Layout(
        group_parallel_size=2, tensor_parallel_size=2, ungrouped_layers=ungrouped_layers
    )
    assert four_ranks.run(fault_of, case, layout) == [None] * 4


def test_a_schedule_may_begin_and_end_a_ladder(two_ranks):
    plans = ladder(4, 1, 4), dense_plan(4), ladder(4, 0, 3, groups=[[0], [2], [3]])
    schedule = Schedule((*plans, kept_layers_plan(4, [2])), (0, 2, 3, 6))
    case = Case(plans[0], Shape(), seed=0, prompt_length=4, padding=[0, 2])
    for layout in (Layout(group_parallel_size=2), Layout(tensor_parallel_size=2)):
        logits, _ = two_ranks.run(scheduled_logits, case, schedule, layout)
        assert_reference(logits, case, schedule)


def log_of_messages(rank):
    """What a decode step under a ladder of two layers does, in order; and its logits."""
    engine = Engine.from_dense(
        tiny_dense(2),
        ladder(2, 0, 2),
        rank=rank,
        options=EngineOptions(layout=Layout(tensor_parallel_size=2)),
    )
    engine.prefill(tokens_of(1, 4), max_tokens=5)
    (run,), log = engine.program.decode[0], []
    for layer in run.layers:
        layer.attend = logged(log, "attention", layer.attend)
        layer.feed_forward = logged(log, "mlp", layer.feed_forward)
    sums = engine.communicator.all_reduce

    def all_reduce(*arguments, **options):
        number = sum(entry.startswith("start") for entry in log)
        log.append(f"start {number}")
        return Watched(sums(*arguments, **options), log, number)

    run.communicator.all_reduce = all_reduce
    return log, engine.decode_step(torch.tensor([3])).tolist()


def logged(log, entry, function):
    def call(*arguments):
        log.append(entry)
        return function(*arguments)

    return call


class Watched:
    """A sum under way that notes when it is waited for."""

    def __init__(self, work, log, number):
        self.work, self.log, self.number = work, log, number

    def wait(self):
        self.log.append(f"wait {self.number}")
        if self.work is not None:
            self.work.wait()


def test_a_sum_is_waited_for_once_the_next_half_is_computed(two_ranks):
    expected = ["attention", "start 0"]
    for number, half in enumerate(("mlp", "attention", "mlp")):
        expected += [half, f"start {number + 1}", f"wait {number}"]
    for log, _ in two_ranks.run(log_of_messages):
        assert log == [*expected, "wait 3"]


def works_under_way(rank, communicator):
    """Whether `async_op` gives something to wait for, and the sum."""
    tensor = torch.full((3,), float(rank + 1))
    work = COMMUNICATORS[communicator](Layout(tensor_parallel_size=2)).all_reduce(
        tensor, (0, 1), async_op=True
    )
    if work is not None:
        work.wait()
    return work is not None, tensor.tolist()


@pytest.mark.parametrize(("communicator", "later"), [("default", True), ("star", False)])
def test_communicators_that_cannot_overlap_sum_at_once(two_ranks, communicator, later):
    assert two_ranks.run(works_under_way, communicator) == [(later, [3.0] * 3)] * 2


def test_a_ladder_needs_sums_that_travel_while_it_computes():
    options = EngineOptions(layout=Layout(tensor_parallel_size=2), communicator="star")
    with pytest.raises(ValueError, match=r"\Acommunicator: 'star' waits [^\n]* use default\Z"):
        Engine.from_dense(tiny_dense(2), ladder(2, 0, 2), options=options)
