"""Engines on two and four gloo ranks equal the reference, and send exactly what was predicted."""

from equality import fault_of
from hypothesis import given, settings
from strategies import examples, rank_cases


@given(drawn=rank_cases(world=2))
@settings(max_examples=examples(40))
def test_two_ranks(two_ranks, drawn):
    layout, case = drawn
    assert two_ranks.run(fault_of, case, layout) == [None] * 2


@given(drawn=rank_cases(world=4))
@settings(max_examples=examples(40))
def test_four_ranks(four_ranks, drawn):
    layout, case = drawn
    assert four_ranks.run(fault_of, case, layout) == [None] * 4
