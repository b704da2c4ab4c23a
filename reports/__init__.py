"""Figures, tables and the page, drawn from result files alone. Imports no torch."""
