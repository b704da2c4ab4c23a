"""The time of a step from a plan, a layout, a model's sizes and a machine. Imports no torch."""
