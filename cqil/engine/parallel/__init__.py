"""What several ranks need: who computes what, what they send, and the rank processes."""
