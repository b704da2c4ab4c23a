"""Published numbers as data, each with what would test it and a verdict drawn from results.

One YAML file a paper or a family of them. To add a claim:

1. Write it under a part of a file here, in your own words. `values` maps a name to a number with
   its unit as text ("26.2 %", "1.43×", "20.70 BLEU"; text keeps the digits that were published, and
   with them how exact the number is), or to a list of layers. Leave out what you have not seen.
2. Say where it was seen (`source`) and how well (`confidence`):
   `primary` read in the paper, its abstract, its repository or its tables; `secondary` read in
   somebody's summary; `derived` computed from other numbers; `remembered` not found again.
   What a claim does not say itself (source, confidence, conditions, out_of_reach) it takes from its
   part.
3. Say what tests it, one of
   `check: name` with its arguments under `given:` (`checks.CHECKS` lists the names),
   `out_of_reach: why` where nothing that the suite can run would answer, and
   `not_seen: true` where the number exists but was not seen: such a claim has no values.
   `shown_by: file::test` may name a test that shows it on every commit.
4. A new check is a function in `arithmetic.py` (plans and published numbers alone),
   `quality.py` and `timing.py` (a direction, on any model and machine) or `measured.py` (numbers
   of the claim's own model), listed in `checks.py`.

What verdicts mean: `verdicts.py`. Imports no torch.
"""
