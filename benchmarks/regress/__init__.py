"""The regression gate: the working tree against a base revision, in exact counts and in time."""
