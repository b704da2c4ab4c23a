"""The rivals of layer parallelism. One file a method; each returns a LayerPlan."""
