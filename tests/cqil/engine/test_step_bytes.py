"""Bytes that a decode step reads: weights, and the keys and values that attention covers."""

import pytest
from tiny_models import Shape, tiny_dense, tokens_of

from cqil import dense_plan, kept_layers_plan
from cqil.engine import Engine
from cqil.engine.throughput import time_generation
from cqil.plan.schedule import Schedule

KEY_AND_VALUE = 2 * Shape().kv_heads * Shape().head_dim * 8


@pytest.mark.parametrize("prompt_dense", [False, True])
def test_keys_of_layers_that_only_the_prompt_runs_are_not_read(prompt_dense):
    plan = kept_layers_plan(4, [0, 3], prompt_dense=prompt_dense)
    engine = Engine.from_dense(tiny_dense(4), plan)
    weights = engine.step_bytes
    engine.prefill(tokens_of(1, 5), max_tokens=9)
    assert engine.step_bytes - weights == 2 * 5 * KEY_AND_VALUE


def test_the_speed_counts_the_cache_of_every_step():
    engine = Engine.from_dense(tiny_dense(4), kept_layers_plan(4, [0, 3]))
    weights = engine.step_bytes
    _, speed = time_generation(engine, tokens_of(1, 5), None, 4)
    assert speed.decoded == 3
    assert speed.decode_bytes == sum(weights + 2 * length * KEY_AND_VALUE for length in (6, 7, 8))


def test_a_schedule_counts_the_plan_of_each_step():
    plans = (dense_plan(4), kept_layers_plan(4, [0, 3]))
    schedule = Schedule(plans, (0, 2))
    engine = Engine.from_dense(tiny_dense(4), schedule)
    weights = [Engine.from_dense(tiny_dense(4), plan).step_bytes for plan in plans]
    _, speed = time_generation(engine, tokens_of(1, 5), None, 5)
    steps = [(0, 4, 6), (0, 4, 7), (1, 2, 8), (1, 2, 9)]  # plan, its layers, tokens in the cache
    assert speed.decode_bytes == sum(
        weights[plan] + layers * length * KEY_AND_VALUE for plan, layers, length in steps
    )
