"""`make bench`: the engine and its rivals side by side, on one machine or on one GPU."""
