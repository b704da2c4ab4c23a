"""Answers of an evaluator, each stored in a file of its own, so that searches share and resume."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.results.files import read_json, write_json


class StoredAnswers:
    """A folder of answers to questions about one model and one text."""

    def __init__(self, folder: Path, key: str) -> None:
        """`key` identifies model and text: answers of others are not read."""
        self.folder, self.key = folder, key

    def get(self, question: list[Any], compute: Callable[[], Any]) -> Any:
        """The stored answer, or a new one that is then stored."""
        text = json.dumps([self.key, question], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        path = self.folder / digest[:2] / f"{digest}.json"
        if path.exists():
            return read_json(path)["answer"]
        answer = compute()
        write_json(path, {"question": question, "answer": answer})
        return answer
