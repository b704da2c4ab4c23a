"""Published numbers as data, each with what tests it and a verdict drawn from results.

One YAML file for each paper or family of papers. To add a claim:

1. Write it under a part of a file, in your own words. `values` maps a name to a list of layers, or
   to a number with its unit as text ("26.2 %", "1.43×", "20.70 BLEU"): text keeps the published
   digits, and with them the precision. Leave out a number that you have not seen.
2. Give its `source` and its `confidence`:
   `primary`: read in the paper, its abstract, its repository or its tables;
   `secondary`: read in a summary by others;
   `derived`: computed from other numbers;
   `remembered`: the source was not found again;
   `own`: nobody published it: this suite expects it, and the page lists it apart.
   A claim takes source, confidence, conditions and out_of_reach from its part where it does not
   give them itself.
3. Give what tests it, one of
   `check: name` with its arguments under `given:` (`checks.CHECKS` lists the names),
   `out_of_reach: why` where nothing that the suite can run tests it, and
   `not_seen: true` where the number was published but not seen; such a claim has no values.
   `shown_by: file::test` may name a test that shows it on every commit.
4. A new check is a function, listed in `checks.py`, in
   `arithmetic.py` (plans and rules of this suite),
   `published.py` (other published numbers),
   `quality.py` or `timing.py` (a direction, on any model and machine), or
   `measured.py` (numbers of the claim's own model).

`verdicts.py` explains the verdicts. Imports no torch.
"""
