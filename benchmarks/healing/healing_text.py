"""The text that heals a variant: packed windows, the first of which measure, others train."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from benchmarks.config.healing import HealingSection
from benchmarks.data.overlap import check_disjoint
from benchmarks.data.texts import read_documents
from benchmarks.data.token_datasets import document_tokens
from benchmarks.data.training_windows import (
    TrainingWindows,
    dataset_training_windows,
    text_training_windows,
)

MIN_WINDOWS = 2
"""Refit solves on some of its windows and chooses on the others."""


@dataclass(frozen=True)
class HealingText:
    """Which text, and what must not be in it."""

    section: HealingSection
    texts: list[Path]
    """Documents as JSON lines; not read where the section names a dataset."""
    evaluated: list[Path]
    """Texts whose evaluation documents must not be among the training windows."""

    def windows(
        self,
        tokenizer: PreTrainedTokenizerBase,
        tokens: int,
        seed: int,
        *,
        used: int = 0,
        repeat: bool = False,
    ) -> tuple[TrainingWindows, TrainingWindows]:
        """Windows that measure, which are equal for all budgets, and those of `tokens` tokens.

        `used`: windows of earlier steps, which are left out: what has been fitted to them no longer
        shows there what is wrong. Where the text holds fewer tokens, `repeat` takes all; else
        ValueError is raised, as it is where the text holds evaluated documents.
        """
        section = self.section
        if section.dataset is None:
            windows = text_training_windows(tokenizer, self.texts, section.window, seed)
        else:
            windows = dataset_training_windows(
                tokenizer, section.dataset, section.split, section.window, seed
            )
        held_out = windows.taken(0, section.held_out)
        first, count = section.held_out + used, max(MIN_WINDOWS, tokens // section.window)
        if repeat:
            if first >= len(windows):  # all are used up
                first = section.held_out
            count = max(1, min(count, len(windows) - first))
        training = windows.taken(first, count)
        check_disjoint(training, *self._evaluated(tokenizer))
        return held_out, training

    def _evaluated(self, tokenizer: PreTrainedTokenizerBase) -> tuple[list[list[int]], list[str]]:
        """Tokens of the documents that are scored, and names for errors."""
        rows = [
            (path.stem, row)
            for path in self.evaluated
            for row in read_documents(path, "evaluation")
        ]
        names = [f"{text} {row['sha256'][:8]}" for text, row in rows]
        return document_tokens(tokenizer, [row["text"] for _, row in rows]), names
