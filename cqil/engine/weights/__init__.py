"""From a checkpoint to packed weights: readers of tensors, checks and packing."""
