"""Sentences made from numbers: summary, provenance, whether times can be trusted."""
