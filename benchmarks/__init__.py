"""Measurements of variants: their configuration, data, models, results, and a cost model."""
