"""Does the attention bypass help the same groups? Asked where a run has both."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from reports.answers.answer import MAX_PHRASES, Answer, factor

NAMES = {"ffn+residual": "ffn+residual (counted twice, as in CQIL’s code)"}
WORDS = {"lower": "better", "not distinguishable": "not told apart", "higher": "worse"}


def bypass(comparison: pd.DataFrame) -> Iterator[Answer]:
    """One answer from `bypass_modes`, or none: each kind of bypass over all groups that have it."""
    bypassed = comparison[comparison["variant"] != comparison["without"]]
    if bypassed.empty:
        return
    verdicts = []
    for mode, rows in bypassed.groupby(bypassed["bypass"].str.split(" ").str[0], sort=False):
        counts = rows["verdict"].map(WORDS).value_counts()
        words = ", ".join(f"{word} in {count}" for word, count in counts.items())
        verdicts.append(f"{NAMES.get(mode, mode)}: {words} of {len(rows)}")
    ratios = [
        f"{row['variant']} / {row['without']} {factor(row['ratio'])}"
        for row in bypassed.to_dict("records")
    ]
    numbers = f"Perplexity over that of the same groups without: {'; '.join(ratios)}."
    if len(ratios) > MAX_PHRASES:
        numbers = "Each ratio stands under “Attention bypass”."
    yield Answer(
        "Does passing attention outputs sideways help?", f"{'; '.join(verdicts)}.", numbers
    )
