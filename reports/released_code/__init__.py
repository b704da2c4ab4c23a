"""The rules of this suite beside the code that others released: what is equal, what is not, why.

The released code is not part of the suite. It was read at the commits that `comparisons.yaml`
names, run beside the rules on random small LLaMAs, and what came out is written down. Whoever
changes what a rule chooses measures its entry again.
"""
