"""The cost model against closed forms, which hold on every machine."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from any_plan import plans
from hypothesis import given
from hypothesis import strategies as st
from made_up_machine import machine

from benchmarks.cost_model.machine import load_machine, presets
from benchmarks.cost_model.model_shapes import SHAPES, ModelShape, shape_named
from benchmarks.cost_model.rates import ANY
from benchmarks.cost_model.step_time import dense_s, predict_step, step_bytes
from benchmarks.cost_model.step_workload import StepWorkload
from benchmarks.results.provenance import ROOT
from cqil.engine.parallel.layout import ONE_DEVICE, Layout
from cqil.plan import LayerPlan, dense_plan, kept_layers_plan, uniform_plan

SHAPE = ModelShape(
    name="tiny", layers=12, hidden=64, intermediate=96, heads=8, kv_heads=8, vocabulary=128
)
HEADLESS = replace(SHAPE, vocabulary=0)
DENSE, PAIRS = dense_plan(12), uniform_plan(12, 2, 10, 2)
TWO_WAY = uniform_plan(12, 2, 10, 2, target="two-way")
GROUP_PARALLEL = Layout(group_parallel_size=2)
TENSOR_PARALLEL = Layout(tensor_parallel_size=2)
SECONDS = st.floats(0, 1e-3)
FREE, TOKEN = machine(), StepWorkload()


def total(plan, layout=ONE_DEVICE, on=FREE, shape=SHAPE, work=TOKEN):
    """Predicted seconds of a step."""
    return predict_step(plan, layout, shape, on, work).total_s


@st.composite
def arrangements(draw):
    """A plan, and a layout that can run it."""
    plan = draw(plans(own_prefill=True, deepest=6))
    largest = max(map(len, (*plan.groups, *plan.prefill_groups)))
    return plan, Layout(
        group_parallel_size=draw(st.sampled_from([1, largest])),
        tensor_parallel_size=draw(st.integers(1, 2)),
    )


@given(arrangements(), SECONDS, SECONDS, st.floats(0, 1e-8), st.sampled_from(["prefill", "decode"]))
def test_time_grows_with_latency_and_with_bytes(arrangement, low, more, beta_s, phase):
    plan, layout = arrangement
    if layout.world_size > 8:
        return
    shape, work = SHAPE.with_layers(plan.num_layers), StepWorkload(phase=phase)
    base = total(plan, layout, machine(low, beta_s), shape, work)
    assert total(plan, layout, machine(low + more, beta_s), shape, work) >= base
    assert total(plan, layout, machine(low, beta_s * 2), shape, work) >= base


def test_groups_of_one_are_the_sequence():
    alone = uniform_plan(12, 2, 10, 1)
    assert total(alone) == total(DENSE) == dense_s(SHAPE, machine())


def test_no_pairs_inside_tensor_parallel_is_tensor_parallel():
    none = uniform_plan(12, 2, 2, 2, target="two-way")
    links = machine(1e-4, 1e-9)
    assert total(none, TENSOR_PARALLEL, links) == total(DENSE, TENSOR_PARALLEL, links)


@pytest.mark.parametrize("pairs", [1, 2, 4])
def test_each_pair_inside_tensor_parallel_saves_two_sums(pairs):
    plan = uniform_plan(12, 2, 2 + 2 * pairs, 2, target="two-way")
    saved = total(DENSE, TENSOR_PARALLEL, machine(1e-4)) - total(
        plan, TENSOR_PARALLEL, machine(1e-4)
    )
    assert saved == pytest.approx(2 * pairs * 1e-4)


def test_free_messages_give_the_ratio_of_depths():
    ratio = total(PAIRS, GROUP_PARALLEL, shape=HEADLESS) / total(DENSE, shape=HEADLESS)
    assert ratio == pytest.approx(PAIRS.depth / 12)


def test_removal_takes_the_share_of_layers_that_stay():
    plan = kept_layers_plan(12, [0, 1, 2, 3, 11])
    assert total(plan, shape=HEADLESS) == pytest.approx(total(DENSE, shape=HEADLESS) * 5 / 12)


def test_free_messages_make_tensor_parallel_the_ideal():
    assert total(DENSE, Layout(tensor_parallel_size=4)) == pytest.approx(total(DENSE) / 4)


def test_slow_links_order_methods_by_their_messages():
    slow = machine(1e3)
    methods = [(PAIRS, GROUP_PARALLEL), (TWO_WAY, TENSOR_PARALLEL), (DENSE, TENSOR_PARALLEL)]
    predictions = [predict_step(plan, layout, SHAPE, slow) for plan, layout in methods]
    times = [prediction.total_s for prediction in predictions]
    counts = [prediction.ledger.collectives for prediction in predictions]
    assert counts == sorted(counts) == [5, 2 * 12 + 1 - 8, 2 * 12 + 1]
    assert times == sorted(times)


def test_a_sum_over_both_axes_is_priced_by_the_ranks_it_joins():
    links = machine(1e-4)
    costly = replace(
        links, links=links.links | {("all_reduce", 4): links.link("x", 2)._replace(alpha_s=1)}
    )
    both = Layout(group_parallel_size=2, tensor_parallel_size=2)
    assert total(PAIRS, both, costly) == pytest.approx(total(PAIRS, both, links) + 4 * (1 - 1e-4))


def test_products_bound_a_prompt_and_bytes_a_token():
    slow_products = machine(flops_per_s=1e9)
    token, prompt = StepWorkload(), StepWorkload(phase="prefill", context=4096)
    assert total(DENSE, work=token) == total(DENSE, on=slow_products, work=token)
    assert total(DENSE, work=prompt) < total(DENSE, on=slow_products, work=prompt)


def test_a_token_of_a_prompt_attends_to_half_of_it():
    work, rate = StepWorkload(phase="prefill", context=512), 1e6
    weights = 4 * 64 * 64 + 3 * 64 * 96
    scores = 2 * 64 * 512 / 2  # scores and values over half of the prompt
    layers_s = predict_step(DENSE, ONE_DEVICE, SHAPE, machine(flops_per_s=rate), work).layers_s
    assert layers_s == pytest.approx(12 * 2 * 512 * (weights + scores) / rate)


def test_launches_are_paid_once_a_stage():
    extra = total(PAIRS, on=machine(stage_s=1e-3)) - total(PAIRS)
    assert extra == pytest.approx(8e-3)


def test_ranks_that_share_a_memory_read_slower_together():
    shared = machine(sharing={(1, 1): 1e9, (2, 1): 1e9, (2, 2): 0.5e9})
    alone = predict_step(PAIRS, GROUP_PARALLEL, SHAPE, machine())
    together = predict_step(PAIRS, GROUP_PARALLEL, SHAPE, shared)
    # Four layers run alone and four pairs together, at half the rate.
    assert together.layers_s == pytest.approx(alone.layers_s * (4 + 2 * 4) / 8)
    assert together.head_s == alone.head_s


def test_an_unprobed_number_of_ranks_is_refused():
    with pytest.raises(ValueError, match=r"^machine: made-up was not measured with 4 ranks, but"):
        total(DENSE, Layout(tensor_parallel_size=4), machine(sharing={(1, 1): 1e9, (2, 2): 1e9}))
    with pytest.raises(ValueError, match=r"^machine: made-up has no figures for messages of 16"):
        total(DENSE, Layout(tensor_parallel_size=16), shape=replace(SHAPE, heads=16, kv_heads=16))


def one_gpu_break_even(shape, on, start, end, size):
    """alpha* where tensor parallelism and CQIL of as many ranks cost the same: a line each."""
    plan = uniform_plan(shape.layers, start, end, size)
    work = StepWorkload(context=1)
    gaps = []
    for alpha_s in (0.0, 1e-3):
        links = on.with_latency(alpha_s)
        cqil = predict_step(plan, Layout(group_parallel_size=size), shape, links, work).total_s
        tensor = predict_step(
            dense_plan(shape.layers), Layout(tensor_parallel_size=size), shape, links, work
        ).total_s
        gaps.append(cqil - tensor)
    return 1e-3 * gaps[0] / (gaps[0] - gaps[1])


@pytest.mark.parametrize(
    ("name", "preset", "run", "expected_us", "within"),
    [
        ("LLaMA-7B", "a100-nvlink", (12, 30, 2), 38, 0.02),
        ("LLaMA-7B", "a100-nvlink", (14, 30, 4), 60, 0.02),
        ("LLaMA-33B", "a100-nvlink", (12, 48, 4), 125, 0.02),
        ("LLaMA-7B", "h200-nvlink", (12, 30, 2), 13, 0.09),
    ],
)
def test_break_even_latency_is_the_closed_form(name, preset, run, expected_us, within):
    """alpha* = W (1 - f) (1 - 1/p) / (2L - G), and the values that are known of it."""
    shape, (start, end, size) = SHAPES[name], run
    on = load_machine(preset)
    free = replace(on, links={key: link._replace(beta_s=0) for key, link in on.links.items()})
    break_even_s = one_gpu_break_even(shape, free, *run)
    groups, share = (end - start) // size, (end - start) / shape.layers
    whole = dense_s(shape, free, StepWorkload(context=1))
    closed = whole * (1 - share) * (1 - 1 / size) / (2 * shape.layers - groups)
    # The LM head stays on CQIL's first rank, so the closed form is a little short.
    assert break_even_s == pytest.approx(closed, rel=0.03)
    assert 1e6 * break_even_s == pytest.approx(expected_us, rel=within)


def test_sizes_are_the_published_ones():
    published = {"LLaMA-7B": 6.74, "LLaMA-13B": 13.02, "LLaMA-33B": 32.5, "LLaMA-65B": 65.3}
    published |= {"Llama-2-70B": 68.98, "Llama-3.1-8B": 8.03, "Llama-3.1-70B": 70.55}
    published |= {"SmolLM2-135M": 0.1345, "Llama-3.2-1B": 1.236, "Llama-3.2-3B": 3.21}
    for name, billions in published.items():
        assert SHAPES[name].weight_elements / 1e9 == pytest.approx(billions, rel=0.003)


def test_bytes_of_a_step_are_those_that_were_counted():
    """Each rank of the committed bench counted what its tensors hold; the model says the same."""
    bench = json.loads(
        (ROOT / "benchmarks/history/2026-11-21-epyc-2-cores/engine.json").read_text()
    )
    context = bench["workload"]["prompt_tokens"] + 1
    checked = 0
    for system in bench["systems"]:
        plan, layout = LayerPlan.from_dict(system["plan"]), Layout(**system["layout"])
        for rank, usage in enumerate(system["ranks"]):
            work = StepWorkload(context=context, itemsize=4)
            predicted = step_bytes(plan, layout, rank, SHAPES["SmolLM2-135M"], work)
            assert predicted == pytest.approx(usage["step_bytes"], rel=0.002), (
                system["name"],
                rank,
            )
            checked += 1
    assert checked > 20


def test_every_preset_is_complete_and_says_what_it_guesses():
    for name, preset in presets().items():
        assert set(preset.all_reduce) == {2, 4, 8}, name
        assert preset.source, name
        assert load_machine(name).rate(ANY, ANY).bandwidth < 6e12
        assert preset.guesses or preset.confidence == "high"


def test_unknown_names_are_one_line():
    with pytest.raises(
        ValueError, match=r"^machine: 'abacus' is no file and no preset; use one of"
    ):
        load_machine("abacus")
    with pytest.raises(ValueError, match=r"^shape: 'GPT' is unknown; use one of SmolLM2-135M"):
        shape_named("GPT")
    with pytest.raises(ValueError, match=r"^num_hidden_layers: missing in the configuration of x"):
        ModelShape.of_config("x", {})


def test_the_model_needs_no_torch():
    code = "import sys, benchmarks.cost_model.step_time as m; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
