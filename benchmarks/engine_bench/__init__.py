"""`make bench`: the engine beside its rivals on one machine, and on one GPU."""
