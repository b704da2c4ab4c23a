"""A results folder in memory: variants, records, tidy frames of samples, and the names readers see."""
