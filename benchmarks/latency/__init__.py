"""Time of a variant: every backend, interleaved in randomised rounds."""
