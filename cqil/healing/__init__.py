"""Healing: what a plan has lost comes back by changing weights, never by changing the plan.

`refit` solves for weights in closed form, stage by stage. What comes out are edits (`cqil.edits`),
which every path applies.
"""
