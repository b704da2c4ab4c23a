"""Choosing plans: layer similarity and method searches on calibration text."""
