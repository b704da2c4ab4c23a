"""The error of a measurement that this machine cannot make. Imports no torch."""

from __future__ import annotations


class UnavailableError(ValueError):
    """The machine lacks what the measurement needs."""
