"""Training windows: texts packed, datasets read from their mapped files, both in a seeded order."""

import json

import datasets
import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict, Features, LargeList, List, Value
from measurements import CPU
from transformers import AutoTokenizer

from benchmarks.data.token_datasets import token_chunks
from benchmarks.data.training_windows import dataset_training_windows, text_training_windows
from benchmarks.results.files import sha256_file

WINDOW, SEED = 6, CPU.seed
TEXTS = [f"document {i} says {i * 7}" for i in range(30)]
ROWS = [[(11 * i + j) % 256 for j in range(3 + i % 9)] for i in range(50)]
"""Rows of several lengths; their tokens are below 256, the vocabulary."""
ALL = [token for row in ROWS for token in row]
UINT16 = List(Value("uint16"))


@pytest.fixture(scope="module")
def tokenizer(tiny_llama):
    """One token a byte, and an end token of its own."""
    made = AutoTokenizer.from_pretrained(tiny_llama)
    made.eos_token = "!"
    return made


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


def of_tokens(rows=ROWS, column=UINT16):
    return Dataset.from_dict({"input_ids": rows}, Features({"input_ids": column}))


def saved(dataset, tmp_path, **options):
    dataset.save_to_disk(tmp_path / "saved", **options)
    return tmp_path / "saved"


def sliced(tokens):
    """All windows of tokens, in their order."""
    return [tokens[i : i + WINDOW] for i in range(0, len(tokens) - WINDOW + 1, WINDOW)]


def as_lists(windows):
    return [window_T.tolist() for window_T in windows]


def write_text(path, texts, part="calibration"):
    path.write_text("".join(json.dumps({"text": text, "part": part}) + "\n" for text in texts))
    return path


def test_texts_are_packed_each_for_itself_and_drawn_with_the_seed(tokenizer, tmp_path):
    halves = TEXTS[:15], TEXTS[15:]
    files = [write_text(tmp_path / f"{i}.jsonl", texts) for i, texts in enumerate(halves)]
    windows = text_training_windows(tokenizer, files, WINDOW, SEED)
    in_order = [
        window
        for texts in halves
        for window in sliced(tokenizer("".join(f"{text}!" for text in texts))["input_ids"])
    ]
    order = np.random.default_rng(SEED).permutation(len(in_order))
    assert as_lists(windows) == [in_order[index] for index in order]
    assert as_lists(windows.chosen([2, 0])) == [as_lists(windows)[number] for number in (2, 0)]
    assert {window_T.dtype for window_T in windows} == {np.dtype(np.int64)}
    other = text_training_windows(tokenizer, files, WINDOW, SEED + 1)
    assert sorted(as_lists(other)) == sorted(in_order)
    assert as_lists(other) != as_lists(windows)
    assert windows.digest == ", ".join(f"sha256:{sha256_file(file)}" for file in files)


@pytest.mark.parametrize(
    "column", [UINT16, List(Value("int32")), List(Value("int64")), LargeList(Value("uint16"))]
)
def test_windows_cross_rows_and_chunks_of_a_saved_dataset(tokenizer, tmp_path, column):
    folder = saved(of_tokens(column=column), tmp_path, num_shards=7)
    windows = dataset_training_windows(tokenizer, folder, None, WINDOW, SEED)
    assert len(windows.chunks) == 7
    assert sorted(as_lists(windows)) == sorted(sliced(ALL))
    again = dataset_training_windows(tokenizer, folder, "train", WINDOW, SEED)
    assert as_lists(again) == as_lists(windows) != sliced(ALL)
    fingerprint = datasets.load_from_disk(folder)._fingerprint
    assert (windows.digest, again.digest) == (f"saved@{fingerprint}", f"saved/train@{fingerprint}")


def test_tokens_stay_in_the_mapped_file(tokenizer, tmp_path):
    folder = saved(of_tokens([[i % 256] * 2048 for i in range(2000)]), tmp_path)
    before = pa.total_allocated_bytes()
    windows = dataset_training_windows(tokenizer, folder, None, 2048, SEED)
    assert sum(chunk.nbytes for chunk in windows.chunks) == 2000 * 2048 * 2
    assert pa.total_allocated_bytes() - before < 2048 * 8
    assert not any(chunk.flags.owndata for chunk in windows.chunks)


@pytest.mark.parametrize("column", [UINT16, List(Value("uint16"), length=4)])
@pytest.mark.parametrize(
    "rows", [range(7, 31), [5, 3, 40, 3], range(0, 50, 2)], ids=["slice", "indices", "steps"]
)
def test_selected_rows_are_those_that_are_read(tokenizer, tmp_path, column, rows):
    fixed = [[i, i + 1, i + 2, i + 3] for i in range(50)] if column.length == 4 else ROWS
    dataset = datasets.load_from_disk(saved(of_tokens(fixed, column), tmp_path)).select(rows)
    chunks = token_chunks(dataset, tokenizer, "rows")
    assert np.concatenate(chunks).tolist() == [token for i in rows for token in fixed[i]]


def test_a_split_of_saved_splits(tokenizer, tmp_path):
    folder = saved(DatasetDict(train=of_tokens(), test=of_tokens(ROWS[:5])), tmp_path)
    windows = dataset_training_windows(tokenizer, folder, "train", WINDOW, SEED)
    assert sorted(as_lists(windows)) == sorted(sliced(ALL))
    assert windows.digest.startswith("saved/train@")
    for split in (None, "validation"):
        line = rf"\Asplit: {split!r} is unknown; use one of train, test\Z"
        with pytest.raises(ValueError, match=line):
            dataset_training_windows(tokenizer, folder, split, WINDOW, SEED)


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_what_load_dataset_takes(tokenizer, tmp_path, kind):
    folder = tmp_path / kind  # a folder whose name is that of a format
    folder.mkdir()
    dataset = of_tokens() if kind == "parquet" else Dataset.from_dict({"text": TEXTS})
    getattr(dataset, f"to_{kind}")(folder / f"train.{kind}")
    windows = dataset_training_windows(tokenizer, folder, "train", WINDOW, SEED)
    tokens = ALL
    if kind == "json":
        tokens = tokenizer("".join(f"{text}!" for text in TEXTS))["input_ids"]
    assert sorted(as_lists(windows)) == sorted(sliced(tokens))
    part = dataset_training_windows(tokenizer, folder, "train[:50%]", WINDOW, SEED)
    assert 0 < len(part) < len(windows)
    assert part.digest != windows.digest


def test_text_is_tokenised_once(tokenizer, tmp_path):
    (tmp_path / "files").mkdir()
    Dataset.from_dict({"text": TEXTS}).to_json(tmp_path / "files" / "train.jsonl")
    arguments = tokenizer, tmp_path / "files", "train", WINDOW, SEED
    first = as_lists(dataset_training_windows(*arguments))
    cached = sorted((tmp_path / "cache").rglob("cache-*.arrow"))
    tokenizer(TEXTS, truncation=True, max_length=3)  # use leaves no trace in the cache's key
    assert as_lists(dataset_training_windows(*arguments)) == first
    assert sorted((tmp_path / "cache").rglob("cache-*.arrow")) == cached
    assert len(cached) == 1


@pytest.mark.parametrize("limit", [0, 2**30], ids=["taken", "at once"])
@pytest.mark.parametrize(
    ("token", "value"), [(256, "uint16"), (-100, "int64"), (2**32 - 1, "uint32")]
)
def test_tokens_beyond_the_vocabulary(tokenizer, tmp_path, monkeypatch, token, value, limit):
    monkeypatch.setattr("benchmarks.data.training_windows.CHECKED_AT_ONCE", limit)
    folder = saved(of_tokens([*ROWS, [token] * WINDOW], List(Value(value))), tmp_path)
    line = rf"\Adataset: saved holds the token {token}, and [^\n]* has 256; give [^\n]*\Z"
    with pytest.raises(ValueError, match=line):
        list(dataset_training_windows(tokenizer, folder, None, WINDOW, SEED))


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({"words": ["a"]}, "has the columns words; it needs input_ids, or text of strings"),
        ({"text": [1]}, "has the columns text; it needs input_ids, or text of strings"),
        ({"text": ["a", None]}, r"has empty text \(null\); drop those rows"),
        ({"input_ids": [1]}, "has input_ids of int32; give lists of integers"),
        ({"input_ids": [[0.5]]}, "has input_ids of list<item: double>; give lists of integers"),
        ({"input_ids": [[1], None]}, r"has empty input_ids \(null\); drop those rows"),
        ({"input_ids": [[1, None]]}, r"has empty input_ids \(null\); drop those rows"),
    ],
)
def test_columns_that_are_no_data(tokenizer, tmp_path, columns, line):
    folder = saved(Dataset.from_dict(columns), tmp_path)
    with pytest.raises(ValueError, match=rf"\Adataset: saved {line}\Z"):
        dataset_training_windows(tokenizer, folder, None, WINDOW, SEED)


@pytest.mark.parametrize(
    ("name", "split", "line"),
    [
        ("owner/set", "train", r"dataset: 'owner/set' [^\n]*reach[^\n]*; [^\n]* give its folder"),
        ("./missing", "train", r"dataset: './missing' [^\n]* give its folder"),
        ("owner/set", None, "split: owner/set needs one; give its name, such as train"),
        ("files", "test", r"dataset: '[^\n]*files' with split 'test' [^\n]*\['train'\][^\n]*"),
        ("saved", "test", "split: 'test' is unknown; use one of train"),
        ("saved", "train[:1]", r"split: 'train\[:1\]' is unknown; use one of train"),
        ("broken", None, r"dataset: [^\n]*broken is no whole dataset \([^\n]*\); save it again"),
    ],
)
def test_no_such_data_is_one_line(tokenizer, tmp_path, monkeypatch, name, split, line):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    saved(of_tokens(), tmp_path)
    of_tokens().save_to_disk("broken")
    (tmp_path / "broken" / "data-00000-of-00001.arrow").unlink()
    (tmp_path / "files").mkdir()
    of_tokens().to_json(tmp_path / "files" / "train.jsonl")
    with pytest.raises(ValueError, match=rf"\A{line}\Z"):
        dataset_training_windows(tokenizer, name, split, WINDOW, SEED)
