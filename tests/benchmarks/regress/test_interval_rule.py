"""The interval rule on made-up processes: how often it is wrong, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.regress.gate_record import (
    CountComparison,
    GateEffort,
    GateExperiment,
    GateTrial,
    TimeComparison,
)
from benchmarks.regress.interval_rule import Limits, ratio

PROCESS_PAIRS, ROUNDS, STEPS, LIMIT, GATES = 3, 10, 6, 0.05, 100
SECONDS = 7e-3


def process_pair(rng, slowdown, between, stalls=0.1):
    """A process each: its own speed for life, 3 % a round, 2 % a step, and stalls of some ms."""
    sides = []
    for factor in (1, 1 + slowdown):
        speed = SECONDS * factor * math.exp(rng.normal(0, between))
        steps = speed * np.exp(rng.normal(0, 0.03, (ROUNDS, 1)))
        steps = steps * np.exp(rng.normal(0, 0.02, (ROUNDS, STEPS)))
        steps += (rng.random(steps.shape) < stalls) * rng.exponential(4e-3, steps.shape)
        sides.append(np.median(steps, axis=1))
    return tuple(sides)


def share_slower(slowdown, between, process_pairs=PROCESS_PAIRS):
    """Of many gates with one benchmark, those that fail."""
    rng = np.random.default_rng(7)
    verdicts = [
        ratio([process_pair(rng, slowdown, between) for _ in range(process_pairs)]).verdict(LIMIT)
        for _ in range(GATES)
    ]
    return verdicts.count("slower") / GATES


@pytest.mark.parametrize("between", [0.0, 0.02, 0.03])
def test_equal_code_seldom_fails_however_its_processes_differ(between):
    # Six benchmarks a gate: their sum bounds the gate's own rate.
    assert 6 * share_slower(0, between) <= 0.05


@pytest.mark.parametrize("between", [0.0, 0.01, 0.02])
def test_a_slowdown_of_15_percent_is_caught(between):
    assert share_slower(0.15, between) >= 0.95


def test_at_the_limit_itself_few_fail():
    assert share_slower(LIMIT, 0.02, process_pairs=5) <= 0.1


def test_one_pair_of_processes_would_raise_false_alarms():
    """Why processes start anew: by rounds alone, what two differ by for life looks certain."""
    assert share_slower(0, 0.04, process_pairs=1) >= 0.08
    assert share_slower(0, 0.04, process_pairs=6) <= 0.01


seconds = st.lists(st.floats(1e-4, 1), min_size=5, max_size=12)


@settings(max_examples=40)
@given(st.lists(seconds, min_size=1, max_size=4), st.floats(0.5, 2))
def test_what_both_sides_share_cancels(bases, factor):
    estimate = ratio([(base, [factor * s for s in base]) for base in bases])
    assert estimate == pytest.approx((factor, factor, factor))


@settings(max_examples=40)
@given(st.lists(st.tuples(seconds, seconds), min_size=1, max_size=4), st.floats(0.1, 10))
def test_the_interval_holds_the_ratio_and_knows_no_unit(process_pairs, unit):
    estimate = ratio(process_pairs, paired=False)
    scaled = [([unit * s for s in base], [unit * s for s in head]) for base, head in process_pairs]
    assert estimate.low <= estimate.value * (1 + 1e-9)
    assert estimate.high >= estimate.value * (1 - 1e-9)
    assert ratio(scaled, paired=False) == pytest.approx(estimate)


def test_verdicts_follow_from_the_interval():
    base = np.linspace(1, 1.001, 20)
    for factor, verdict in [(1.2, "slower"), (1.03, "same"), (0.9, "faster")]:
        assert ratio([(base, factor * base)]).verdict(LIMIT) == verdict
    wide = np.tile([0.8, 1.0, 1.25], 4)
    assert ratio([(wide, wide[::-1])], paired=False).verdict(LIMIT) == "undecided"
    assert ratio([(base, 1.2 * base)]).verdict(0.25) == "same"
    assert ratio([(base, 1.2 * base)]).is_narrow(LIMIT)
    assert not ratio([(wide, wide)], paired=False).is_narrow(LIMIT)


def test_too_few_or_unequal_rounds_are_refused():
    with pytest.raises(ValueError, match="rounds: 4 and 5"):
        ratio([([1] * 4, [1] * 5)])
    with pytest.raises(ValueError, match="cannot be paired"):
        ratio([([1] * 5, [1] * 6)])


def test_limits_by_name():
    limits = Limits(0.05, ["a[b=c]=0.2"])
    assert (limits.of("a[b=c]"), limits.of("other")) == (0.2, 0.05)
    limits.check(["a[b=c]", "other"])
    with pytest.raises(ValueError, match=r"a\[b=c\].*other"):
        limits.check(["other"])
    for text in ("0.1", "a=", "a=x", "a=-1", "a=inf", "a=nan"):
        with pytest.raises(ValueError, match="limit: "):
            Limits(0.05, [text])
    with pytest.raises(ValueError, match="default-limit"):
        Limits(-0.1)


@pytest.mark.parametrize(
    ("base", "head", "accepted", "fails"),
    [
        (3, 3, False, False),
        (3, 2, False, False),
        (3, 4, False, True),
        (3, 4, True, False),
        (0, 1, False, True),
        (3, None, False, True),
        (None, 3, False, False),
    ],
)
def test_counts_may_not_grow_or_vanish(base, head, accepted, fails):
    assert CountComparison(name="c", base=base, head=head, accepted=accepted).fails is fails


def made_up_trial(number, slowdown, *slower):
    names = ("dense/decode", "dense/prefill")
    times = [
        TimeComparison(
            name=name,
            base=[[1.0]],
            head=[[1.0]],
            ratio=1,
            low=1,
            high=1,
            limit=LIMIT,
            verdict="slower" if name in slower else "same",
        )
        for name in names
    ]
    return GateTrial(number=number, slowdown=slowdown, seconds=number + 1, times=times)


def test_the_experiment_counts_alarms_and_catches():
    from benchmarks.regress.gate_experiment import summary
    from benchmarks.results.provenance import provenance

    trials = [
        made_up_trial(0, 0),
        made_up_trial(1, 0, "dense/prefill"),
        made_up_trial(0, 0.15, "dense/decode"),
        # Prefills are not slowed: this is luck, no catch.
        made_up_trial(1, 0.15, "dense/prefill"),
    ]
    experiment = GateExperiment(
        commit="0" * 40,
        effort=GateEffort(),
        limit=LIMIT,
        slowdown=0.15,
        provenance=provenance("cpu", "float32", 1, 0),
        trials=trials,
    )
    text = summary(experiment)
    assert "false alarms 1/2 (95 % CI 1.3% to 98.7%)" in text
    assert "caught 1/2" in text
    assert "at most 2 s" in text
