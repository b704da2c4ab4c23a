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
    integer_digits = math.floor(math.log10(abs(value))) + 1 if value else 1
    decimals = digits - integer_digits
    return f"{round(value, decimals):.{max(decimals, 0)}f}"


def tenths(value: float) -> str:
    """A score, with one decimal: `31.4`."""
    return NOT_AVAILABLE if math.isnan(value) else f"{value:.1f}"


def points(value: float) -> str:
    """A difference in percentage points, always with its sign."""
    return NOT_AVAILABLE if math.isnan(value) else _true_minus(f"{value:+.1f}")


def points_with_interval(difference: Estimate) -> str:
    """`−2.5 [−4.0, −1.0]`, and a dash where it is not known."""
    return "–" if math.isnan(difference.value) else with_interval(difference, points)


def percent(share: float) -> str:
    """A share in percent, without the sign of percent."""
    return tenths(100 * share)


def signed_percent(share: float) -> str:
    """A deviation in percent: `−3.4 %`."""
    return _true_minus(f"{100 * share:+.1f} %")


def times(value: float) -> str:
    """A factor: `×1.50`."""
    return NOT_AVAILABLE if math.isnan(value) else f"×{significant(value)}"


def probability(p: float) -> str:
    """A p-value."""
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


def against(value: float, other: float) -> str:
    """`0.20 against 2.00`; a dash where either is not known."""
    return "–" if math.isnan(value + other) else f"{value:.2f} against {other:.2f}"


def _true_minus(text: str) -> str:
    return text.replace("-", "−")
