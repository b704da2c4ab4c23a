"""Hypothesis strategy: contexts and continuations to score."""

from hypothesis import strategies as st
from tiny_models import VOCABULARY

from benchmarks.accuracy.phase_aware_scoring import ScoreRequest


def sequences(longest):
    return st.lists(st.integers(1, VOCABULARY - 1), min_size=1, max_size=longest).map(tuple)


@st.composite
def request_lists(draw):
    """Contexts of several lengths, each with one or more continuations, in any order."""
    contexts = draw(st.lists(sequences(6), min_size=1, max_size=4, unique=True))
    built = [
        ScoreRequest(context, continuation)
        for context in contexts
        for continuation in draw(st.lists(sequences(5), min_size=1, max_size=3))
    ]
    return draw(st.permutations(built))
