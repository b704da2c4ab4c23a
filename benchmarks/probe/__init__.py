"""`make probe`: the constants of a machine that the cost model reads."""
