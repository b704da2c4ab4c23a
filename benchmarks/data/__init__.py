"""Wheels, texts, lm-eval tasks and parallel texts: fetched, split and written once."""
