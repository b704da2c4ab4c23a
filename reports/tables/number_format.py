"""Numbers as people read them; what is not a number is said in words."""

from __future__ import annotations

import math
from collections.abc import Callable

from benchmarks.results.statistics import Estimate

NOT_AVAILABLE = "n/a"


def significant(value: float, digits: int = 3) -> str:
    """Three digits that mean something: 18.3, 1450, 4.7e5."""
    if math.isnan(value):
        return NOT_AVAILABLE
    if math.isinf(value):
        return "overflow"
    if abs(value) >= 1e4:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    whole = math.floor(math.log10(abs(value))) + 1 if value else 1
    return f"{round(value, digits - whole):.{max(digits - whole, 0)}f}"


def points(value: float) -> str:
    """A difference in percentage points, always with its sign."""
    return NOT_AVAILABLE if math.isnan(value) else f"{value:+.1f}".replace("-", "−")


def percent(share: float) -> str:
    return NOT_AVAILABLE if math.isnan(share) else f"{100 * share:.1f}"


def times(value: float) -> str:
    return NOT_AVAILABLE if math.isnan(value) else f"×{significant(value)}"


def probability(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def with_interval(estimate: Estimate, number: Callable[[float], str] = significant) -> str:
    """`18.3 [16.9, 19.8]`"""
    text = number(estimate.value)
    if math.isnan(estimate.value):
        return text
    if not estimate.has_interval:
        return f"{text} [{NOT_AVAILABLE}]"
    low, high = (number(end).removeprefix("×") for end in (estimate.low, estimate.high))
    return f"{text} [{low}, {high}]"


def with_error(share: float, error: float) -> str:
    """`45.0 ± 7.9`, percent with one standard error."""
    return f"{percent(share)} ± {percent(error)}" if not math.isnan(share) else NOT_AVAILABLE
