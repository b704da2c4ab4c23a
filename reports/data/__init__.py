"""A results folder in memory, and the names, numbers and machines as readers see them."""
