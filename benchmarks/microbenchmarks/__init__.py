"""Single benchmarks of the engine under pytest-benchmark, and how two of their files compare."""
