"""The text that heals a variant: packed windows, the first of which measure, others train."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from benchmarks.config.healing import HealingSection
from benchmarks.data.overlap import apart
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
class HealingWindows:
    """Windows that measure, which are equal for all budgets, and windows to train on."""

    held_out: TrainingWindows
    training: TrainingWindows
    overlapping: int
    """Windows on the way that share text with what is scored, and are left out."""


@dataclass(frozen=True)
class HealingText:
    """Which text, and what must not be in it."""

    section: HealingSection
    texts: list[Path]
    """Documents as JSON lines; not read where the section names a dataset."""
    evaluated: list[Path]
    """Texts whose evaluation documents must not be in the windows."""

    def windows(
        self,
        tokenizer: PreTrainedTokenizerBase,
        tokens: int,
        seed: int,
        *,
        used: int = 0,
        repeat: bool = False,
    ) -> HealingWindows:
        """Windows of `tokens` tokens.

        `used`: windows of earlier steps, which are left out: what has been fitted to them no longer
        shows there what is wrong. Where the text holds fewer tokens, `repeat` takes all; else
        ValueError is raised.
        """
        windows, section = self._all_windows(tokenizer, seed), self.section
        numbers = apart(windows, self._evaluated(tokenizer))
        held_out, earlier = list(islice(numbers, section.held_out)), list(islice(numbers, used))
        count = max(MIN_WINDOWS, tokens // section.window)
        training = list(islice(numbers, count)) or (earlier if repeat else [])
        seen = [*held_out, *earlier, *training]
        if not training or (len(training) < count and not repeat):
            needed = (section.held_out + used + count) * section.window
            raise ValueError(
                f"tokens: {windows.name} holds {len(seen) * section.window} tokens in windows of "
                f"{section.window} without scored text, {needed} are needed; lower tokens, or give "
                "more text"
            )
        overlapping = max(seen) + 1 - len(set(seen))
        return HealingWindows(windows.chosen(held_out), windows.chosen(training), overlapping)

    def _all_windows(self, tokenizer: PreTrainedTokenizerBase, seed: int) -> TrainingWindows:
        section = self.section
        if section.dataset is None:
            return text_training_windows(tokenizer, self.texts, section.window, seed)
        return dataset_training_windows(
            tokenizer, section.dataset, section.split, section.window, seed
        )

    def _evaluated(self, tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
        """Tokens of the documents that are scored."""
        rows = [row for path in self.evaluated for row in read_documents(path, "evaluation")]
        return document_tokens(tokenizer, [row["text"] for row in rows])
