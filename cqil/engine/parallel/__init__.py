"""Several ranks: who computes what, what they send each other, and the processes themselves."""
