"""Token columns of `datasets`: a saved folder, or what `load_dataset` finds, memory-mapped.

Imports no torch, and `datasets` only where it is needed, since that import takes a second.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cqil.errors import check_known, one_line

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

TOKENS, TEXT = "input_ids", "text"
"""Columns: tokens as they are, or text that is tokenised; tokens go first."""


def open_dataset(name_or_folder: str, split: str | None) -> Dataset:
    """One split of a saved folder, of a folder of files, or of a set on the hub.

    Raises ValueError with one line where there is no such set or no such split.
    """
    folder = Path(name_or_folder).expanduser().resolve()
    if _is_saved(folder):
        return _open_saved(folder, split)
    if split is None:
        raise ValueError(f"split: {name_or_folder} needs one; give its name, such as train")
    # A whole path: `load_dataset` takes a bare `json` or `text` for a file format.
    return _load(str(folder) if folder.is_dir() else name_or_folder, split)


def _is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote this folder; `load_dataset` refuses such a one."""
    from datasets import config

    files = (config.DATASET_STATE_JSON_FILENAME, config.DATASETDICT_JSON_FILENAME)
    return any((folder / file).is_file() for file in files)


def _open_saved(folder: Path, split: str | None) -> Dataset:
    from datasets import DatasetDict, load_from_disk

    try:
        saved = load_from_disk(folder)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"dataset: {folder} is no whole dataset ({one_line(error)}); save it again"
        ) from None
    if isinstance(saved, DatasetDict):
        check_known("split", split, saved)
        return saved[split]
    only = str(saved.split or "train")
    check_known("split", split or only, [only])
    return saved


def _load(name: str, split: str) -> Dataset:
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError
    from huggingface_hub.utils import httpx

    try:
        return load_dataset(name, split=split)
    except (OSError, ValueError, RuntimeError, DatasetsError, httpx.HTTPError) as error:
        raise ValueError(
            f"dataset: {name!r} with split {split!r} is no saved dataset, and `load_dataset` does "
            f"not give it ({one_line(error)}); correct them, or download it and give its folder"
        ) from None


def token_chunks(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, name: str
) -> list[np.ndarray]:
    """The tokens of all rows, one after the other, as arrays [N] that share the mapped file.

    The type of the tokens is any integer. Text is tokenised into the cache of `datasets` first, an
    end token after each document. Raises ValueError where the set has neither tokens nor text.
    """
    import pyarrow.types as types

    if dataset._indices is not None:  # rows in another order than the file's
        dataset = dataset.flatten_indices()
    if TOKENS not in dataset.column_names:
        dataset = _tokenised(dataset, tokenizer, name)
    column = dataset.data.column(TOKENS)
    is_list = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    if not any(test(column.type) for test in is_list) or not types.is_integer(
        column.type.value_type
    ):
        raise ValueError(f"dataset: {name} has {TOKENS} of {column.type}; give lists of integers")
    # Unlike `values`, `flatten` keeps to the rows of a slice.
    chunks = [chunk.flatten() for chunk in column.chunks]
    if column.null_count or any(chunk.null_count for chunk in chunks):
        raise ValueError(f"dataset: {name} has empty {TOKENS} (null); drop those rows")
    return [chunk.to_numpy(zero_copy_only=True) for chunk in chunks]


def _tokenised(dataset: Dataset, tokenizer: PreTrainedTokenizerBase, name: str) -> Dataset:
    from datasets import Features, List, Value

    column = dataset.features.get(TEXT)
    if not isinstance(column, Value) or column.dtype not in ("string", "large_string"):
        columns = ", ".join(dataset.column_names)
        raise ValueError(
            f"dataset: {name} has the columns {columns}; it needs {TOKENS}, or {TEXT} of strings"
        )
    if dataset.data.column(TEXT).null_count:
        raise ValueError(f"dataset: {name} has empty {TEXT} (null); drop those rows")
    return dataset.map(
        _tokens_of,
        batched=True,
        fn_kwargs={"tokenizer": tokenizer},
        remove_columns=dataset.column_names,
        features=Features({TOKENS: List(Value("int32"))}),
        desc=f"tokenise {name}",
    )


def _tokens_of(rows: dict[str, list[str]], tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    return {TOKENS: document_tokens(tokenizer, rows[TEXT])}


def document_tokens(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    """The tokens of each document and the end token, where the tokenizer has one."""
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    return [[*tokens, *end] for tokens in tokenizer(texts)["input_ids"]] if texts else []
