"""Single benchmarks of the engine under pytest-benchmark, and a comparison of two result files."""
