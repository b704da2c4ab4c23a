"""Wheels, texts, lm-eval tasks and parallel texts, fetched and split once."""
