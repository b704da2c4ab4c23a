"""Skipping rules keep the layers that their papers and released code say; golden facts."""

import logging
import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from baselines.skipping.skipdecode import SkipDecode
from baselines.skipping.unified import UnifiedSkipping, code_rule, even_rule, paper_rule
from cqil import dense_plan
from cqil.methods.evidence import Evidence

# Layers and target ratio -> kept layers by the released script of arXiv 2404.06954.
CODE_RULE = [
    (30, 2, [*range(0, 27, 2), 29]),
    (30, 3, [*range(0, 25, 3), 29]),
    (30, 5, [0, 6, 12, 18, 24, 29]),
    (30, 10, [0, 15, 29]),
    (32, 2, [*range(0, 29, 2), 31]),
    (32, 3, [*range(0, 25, 3), 31]),
    (32, 4, [*range(0, 25, 4), 31]),
    (32, 5, [0, 6, 12, 18, 24, 31]),
    (32, 10, [0, 16, 31]),
    (40, 5, [*range(0, 31, 5), 39]),
    (40, 10, [0, 13, 26, 39]),
]
# The same by the paper's rule, where it differs; elsewhere it is the same set.
PAPER_RULE = {
    (30, 5): [0, 5, 10, 15, 20, 29],
    (30, 10): [0, 10, 29],
    (32, 5): [0, 5, 10, 15, 20, 31],
    (32, 10): [0, 10, 31],
    (40, 10): [0, 10, 20, 39],
}
RULES = {"code": code_rule, "paper": paper_rule}
RATIOS = st.fractions(Fraction(101, 100), 45, max_denominator=100).map(float)


def evidence(num_layers):
    return Evidence(num_layers=num_layers)


def stated(num_layers, ratio, rule):
    """Whole ratios, as the sources say it: scan upward, stop when enough layers are kept."""
    enough = num_layers // ratio
    every = ratio if rule == "paper" else num_layers // (enough - 1)
    kept = [0]
    for layer in range(1, num_layers - 1):
        if layer % every == 0 and len(kept) < enough - 1:
            kept.append(layer)
    return [*kept, num_layers - 1]


@pytest.mark.parametrize(("num_layers", "speedup", "kept"), CODE_RULE)
def test_rules_keep_what_their_sources_keep(num_layers, speedup, kept):
    assert code_rule(num_layers, speedup) == kept
    assert paper_rule(num_layers, speedup) == PAPER_RULE.get((num_layers, speedup), kept)


@pytest.mark.parametrize("rule", ["code", "paper"])
@pytest.mark.parametrize("num_layers", [30, 32, 40, 60])
@pytest.mark.parametrize("speedup", [2, 3, 4, 5, 10])
def test_rules_are_as_stated_for_every_size(num_layers, speedup, rule):
    kept = stated(num_layers, speedup, rule)
    assert RULES[rule](num_layers, speedup) == kept
    plan = UnifiedSkipping(rule=rule, speedup=speedup).plan(evidence(num_layers))
    assert list(plan.layers) == kept
    assert plan.prefill_groups == dense_plan(num_layers).groups


@pytest.mark.parametrize(
    ("num_layers", "counts"), [(32, [16, 10, 6]), (40, [20, 13, 8]), (60, [30, 20, 12])]
)
def test_rules_keep_the_published_numbers_of_layers(num_layers, counts):
    for rule in RULES.values():
        assert [len(rule(num_layers, speedup)) for speedup in (2, 3, 5)] == counts


@pytest.mark.parametrize("rule", ["code", "paper"])
@given(st.integers(2, 90), RATIOS)
def test_rules_keep_both_ends_and_as_many_as_asked(rule, num_layers, speedup):
    asked = math.floor(num_layers / Fraction(str(speedup)))
    if asked < 2:
        with pytest.raises(ValueError, match=r"\Aspeedup: [^\n]*\Z"):
            RULES[rule](num_layers, speedup)
        return
    kept = RULES[rule](num_layers, speedup)
    assert len(kept) == asked
    assert kept == sorted(set(kept))
    assert (kept[0], kept[-1]) == (0, num_layers - 1)


def test_fractions_are_taken_as_they_are_written():
    assert len(paper_rule(33, 1.1)) == 30
    assert paper_rule(12, 1.5) == [0, 1, 3, 4, 6, 7, 9, 11]


def test_paper_rule_spreads_by_the_ratio():
    gaps = np.diff(paper_rule(60, 2.5))
    assert set(gaps[:-1]) == {2, 3}


@pytest.mark.parametrize("rule", ["code", "paper"])
def test_speedup_that_leaves_no_two_layers_names_the_largest(rule):
    with pytest.raises(ValueError, match=r"\Aspeedup: 16\.0 leaves 1 of 30 [^\n]* 15\Z"):
        UnifiedSkipping(rule=rule, speedup=16).plan(evidence(30))


def test_the_log_says_where_the_code_rule_keeps_one_block(caplog):
    with caplog.at_level(logging.WARNING):
        assert code_rule(30, 2) == [*range(0, 27, 2), 29]
        assert paper_rule(30, 1.5)
    assert not caplog.records
    assert code_rule(30, 1.5) == [*range(19), 29]
    (record,) = caplog.records
    assert "speedup 1.5 keeps one block, layers 0 to 18, and the last" in record.getMessage()
    assert "\n" not in record.getMessage()


@given(st.data())
def test_even_rule_spaces_by_at_most_one_layer_more(data):
    num_layers = data.draw(st.integers(3, 90))
    depth = data.draw(st.integers(2, num_layers - 1))
    kept = even_rule(num_layers, depth)
    gaps = np.diff(kept)
    assert len(kept) == depth
    assert (kept[0], kept[-1]) == (0, num_layers - 1)
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


def test_even_rule_skips_for_generated_tokens_alone():
    plan = UnifiedSkipping(rule="even", depth=4).plan(evidence(10))
    assert plan.layers == (0, 3, 6, 9)
    assert plan.prefill_groups == dense_plan(10).groups
    assert UnifiedSkipping(rule="even", depth=1).plan(evidence(10)).layers == (0,)


@pytest.mark.parametrize(
    "options",
    [
        {"rule": "code"},
        {"rule": "paper"},
        {"rule": "code", "depth": 4},
        {"rule": "paper", "depth": 4},
        {"rule": "code", "depth": 4, "speedup": 2},
        {"rule": "even", "speedup": 2},
        {"rule": "code", "speedup": 1},
        {"rule": "paper", "speedup": 0.5},
        {"rule": "paper", "speedup": math.inf},
        {"rule": "linspace", "depth": 4},
    ],
)
def test_unified_takes_the_target_of_its_rule_alone(options):
    with pytest.raises(ValidationError):
        UnifiedSkipping(**options)


# --- SkipDecode


def test_skipdecode_skips_more_from_below_as_tokens_go_by():
    method = SkipDecode(max_depth=6, min_depth=3, tokens=7, warmup=2)
    schedule = method.schedule(evidence(8))
    assert schedule.starts == (0, 2, 4, 6)
    assert [plan.layers for plan in schedule.plans] == [
        (0, 1, 4, 5, 6, 7),
        (0, 1, 5, 6, 7),
        (0, 1, 6, 7),
        (0, 1, 7),
    ]
    assert all(plan.prefill_groups == dense_plan(8).groups for plan in schedule.plans)
    assert method.plan(evidence(8)) == schedule.plans[-1]


def test_skipdecode_may_begin_with_all_layers():
    schedule = SkipDecode(max_depth=6, min_depth=5, tokens=2).schedule(evidence(6))
    assert schedule.plans[0] == dense_plan(6)
    assert schedule.plans[1].layers == (0, 2, 3, 4, 5)


@given(st.data())
def test_skipdecode_falls_evenly_and_never_rises(data):
    num_layers = data.draw(st.integers(3, 40))
    least = data.draw(st.integers(2, num_layers - 1))
    most = data.draw(st.integers(least + 1, num_layers))
    tokens = data.draw(st.integers(2, 60))
    method = SkipDecode(
        max_depth=most, min_depth=least, tokens=tokens, warmup=data.draw(st.integers(0, least - 1))
    )
    schedule = method.schedule(evidence(num_layers))
    depths = [schedule.plans[schedule.index_at(token)].depth for token in range(tokens + 9)]
    assert depths[0] == most
    assert set(depths[tokens - 1 :]) == {least}
    line = np.linspace(most, least, tokens)
    assert np.all(np.abs(np.array(depths[:tokens]) - line) < 1 + 1e-9)
    assert all(later <= earlier for earlier, later in pairwise(depths))
    assert all(plan.layers[-1] == num_layers - 1 for plan in schedule.plans)


@pytest.mark.parametrize(
    "options",
    [
        {"max_depth": 4, "min_depth": 4, "tokens": 8},
        {"max_depth": 3, "min_depth": 4, "tokens": 8},
        {"max_depth": 6, "min_depth": 1, "tokens": 8},
        {"max_depth": 6, "min_depth": 4, "tokens": 8, "warmup": 4},
        {"max_depth": 6, "min_depth": 0, "tokens": 8, "warmup": 0},
        {"max_depth": 6, "min_depth": 4, "tokens": 1},
    ],
)
def test_skipdecode_needs_room_to_fall(options):
    with pytest.raises(ValidationError):
        SkipDecode(**options)


def test_skipdecode_starts_within_the_checkpoint():
    method = SkipDecode(max_depth=9, min_depth=4, tokens=8)
    with pytest.raises(ValueError, match=r"\Amax_depth: 9 exceeds [^\n]* 8 [^\n]*\Z"):
        method.plan(evidence(8))


def test_a_constant_plan_has_no_schedule():
    assert UnifiedSkipping(rule="even", depth=4).schedule(evidence(10)) is None
