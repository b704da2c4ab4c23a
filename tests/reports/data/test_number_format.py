"""Numbers as readers see them."""

from __future__ import annotations

import math

import pytest

from reports.data import number_format


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (18.34, "18.3"),
        (1449.6, "1450"),
        (0.0321, "0.0321"),
        (470000, "4.7e5"),
        (math.inf, "overflow"),
        (math.nan, "n/a"),
    ],
)
def test_numbers_are_short(value, text):
    assert number_format.significant(value) == text
