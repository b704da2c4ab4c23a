"""The `cqil` command: inspect, build and generate with one plan."""
