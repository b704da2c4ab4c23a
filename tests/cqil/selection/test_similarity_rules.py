"""Rules on the similarity of layer inputs: matrices small enough to work out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqil.methods.evidence import Evidence, LayerSimilarity
from cqil.selection.cosine import Cosine, grow_groups
from cqil.selection.flatten import Flatten


def evidence(num_layers, pairs, other=0.0):
    """Cosines of pairs of layer inputs; all others are alike in being unlike."""
    cosine = np.full((num_layers + 1, num_layers + 1), other)
    np.fill_diagonal(cosine, 1)
    for (i, j), value in pairs.items():
        cosine[i, j] = cosine[j, i] = value
    cosine[num_layers, :num_layers] = cosine[:num_layers, num_layers] = 0.999  # is no layer's input
    return Evidence(num_layers=num_layers, similarity=LayerSimilarity(cosine, np.zeros((0, 0))))


FALLING = evidence(
    5,
    {
        (0, 1): 0.5,
        (1, 2): 0.9,
        (1, 3): 0.8,
        (1, 4): 0.6,
        (2, 3): 0.95,
        (2, 4): 0.7,
        (3, 4): 0.9,
    },
    other=0.3,
)


@pytest.mark.parametrize(
    ("threshold", "groups"),
    [
        (0.95, ((0,), (1,), (2, 3), (4,))),
        (0.9, ((0,), (1, 2), (3, 4))),  # 3 is like 2 and like 4, but 1 is the first of its group
        (0.8, ((0,), (1, 2, 3), (4,))),
        (0.6, ((0,), (1, 2, 3, 4))),
        (0.5, ((0, 1), (2, 3, 4))),
        (-1, ((0, 1, 2, 3), (4,))),
    ],
)
def test_cosine_groups_while_first_and_last_are_alike(threshold, groups):
    assert Cosine(threshold=threshold).plan(FALLING).groups == groups


def test_cosine_groups_have_at_most_the_given_size():
    assert Cosine(threshold=0.6, group_size=2).plan(FALLING).groups == ((0,), (1, 2), (3, 4))
    assert Cosine(threshold=-1, group_size=9).plan(FALLING).groups == ((0, 1, 2, 3, 4),)


@pytest.mark.parametrize(("depth", "threshold"), [(4, 0.95), (3, 0.9), (2, 0.6)])
def test_cosine_with_a_depth_takes_the_largest_threshold_that_reaches_it(depth, threshold):
    assert Cosine(depth=depth).plan(FALLING) == Cosine(threshold=threshold).plan(FALLING)


def test_cosine_past_the_depth_sets_the_last_of_the_least_similar_group_free():
    """At 0.8 there are five stages of six, at 0.7 three: layer 2 is nearer to 0 than layer 1 is."""
    given_ = evidence(6, {(0, 1): 0.7, (0, 2): 0.9, (1, 2): 0.6, (3, 4): 0.8})
    assert Cosine(depth=5).plan(given_).groups == ((0,), (1,), (2,), (3, 4), (5,))
    assert Cosine(depth=4).plan(given_).groups == ((0, 1, 2), (3,), (4,), (5,))
    assert Cosine(depth=3).plan(given_).groups == ((0, 1, 2), (3, 4), (5,))


def test_cosine_that_groups_nothing_says_what_would():
    with pytest.raises(ValueError, match=r"\Athreshold: 0.96 [^\n]*0.9500 at most\Z"):
        Cosine(threshold=0.96).plan(FALLING)


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=20),
    st.integers(2, 6),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_higher_threshold_never_gives_fewer_stages(steps, size, thresholds):
    """Where similarity falls with distance: of a group that holds, every part holds too."""
    at = np.cumsum(steps)
    cosine = np.exp(-np.abs(at[:, None] - at[None, :]))
    few, many = (len(grow_groups(cosine, t, size)) for t in sorted(thresholds))
    assert few <= many


def test_flatten_merges_the_most_similar_pairs():
    pairs = evidence(5, {(0, 1): 0.5, (1, 2): 0.8, (2, 3): 0.9, (3, 4): 0.7})
    assert Flatten(depth=4).plan(pairs).groups == ((0,), (1,), (2, 3), (4,))
    # 1 and 4 have lost their better partners.
    assert Flatten(depth=3).plan(pairs).groups == ((0, 1), (2, 3), (4,))


@pytest.mark.parametrize(
    ("first_to_last", "groups"),
    [(0.4, ((0,), (1, 2, 3), (4,))), (0.85, ((0,), (1,), (2, 3, 4)))],
)
def test_flatten_judges_a_group_from_its_first_to_its_last(first_to_last, groups):
    """Layer 3's row is gone with its merge: 4 is compared with 2, however like it is to 3."""
    pairs = {(0, 1): 0.5, (1, 2): 0.8, (2, 3): 0.9, (3, 4): 0.89, (2, 4): first_to_last}
    assert Flatten(depth=3, group_size=3).plan(evidence(5, pairs)).groups == groups


def test_flatten_passes_over_merges_that_put_the_depth_out_of_reach():
    """(1, 2, 3) would leave 0 and 4 alone: three stages, where groups of three can leave two."""
    pairs = evidence(5, {(0, 1): 0.5, (1, 2): 0.8, (2, 3): 0.9, (2, 4): 0.4})
    assert Flatten(depth=2, group_size=3).plan(pairs).groups == ((0, 1), (2, 3, 4))


def test_flatten_takes_the_lower_of_equal_pairs():
    assert Flatten(depth=3).plan(evidence(4, {}, other=0.5)).groups == ((0, 1), (2,), (3,))
