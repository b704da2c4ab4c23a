"""Latency of variants on every backend, timed in interleaved, randomised rounds."""
