"""`python -m benchmarks`: one command for each rule of the workflow."""
