"""Packed weights: the tensors of a stage in the order in which it multiplies them."""
