"""What a measurement raises where there can be no number. Imports no torch."""

from __future__ import annotations


class UnavailableError(ValueError):
    """The machine lacks what was asked for."""
