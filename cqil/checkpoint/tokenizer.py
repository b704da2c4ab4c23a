"""The tokenizer of a checkpoint, with one line where there is none that can be used."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from cqil.checkpoint.config_file import read_json_object, refuse_own_code
from cqil.errors import one_line

VOCABULARY_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")
SETTINGS_FILE = "tokenizer_config.json"


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """As Transformers reads it; code that the folder brings along is never run.

    Raises ValueError with one line where there is no tokenizer, or none that Transformers takes.
    """
    if not any((folder / name).is_file() for name in VOCABULARY_FILES):
        raise ValueError(
            f"tokenizer: {folder} holds none of {', '.join(VOCABULARY_FILES)}; save the tokenizer "
            "beside the model"
        )
    if (folder / SETTINGS_FILE).is_file():
        refuse_own_code(read_json_object(folder / SETTINGS_FILE), SETTINGS_FILE)
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # tokenizers raises bare Exceptions for files it does not take
        reason = one_line(error)
        raise ValueError(
            f"tokenizer: Transformers does not take that of {folder} ({reason})"
        ) from None
