"""Token windows: the start of each document that fills one, in the order of digests."""

import json

import pytest

from benchmarks.data.token_windows import TokenWindow, text_windows

WINDOW = 4
DOCUMENTS = ["one two three four five", "too few", "a b c d", "long " + "x" * 40]


def tokenizer(text):
    """One token for each word, which is its length."""
    return {"input_ids": [len(word) for word in text.split()]}


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "tiny.jsonl"
    rows = [
        {"sha256": str(i), "part": part, "text": document}
        for part in ("evaluation", "calibration")
        for i, document in enumerate(DOCUMENTS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_documents_with_enough_tokens_fill_a_window(text):
    windows = text_windows(tokenizer, [text, text], "evaluation", None, WINDOW)
    first, second = TokenWindow("tiny", "0", [3, 3, 5, 4]), TokenWindow("tiny", "2", [1, 1, 1, 1])
    assert windows == [first, second, first, second]
    assert first.halves() == ((3, 3), (5, 4))


def test_no_document_after_the_last_window_is_tokenised(text):
    tokenised = []

    def watched(document):
        tokenised.append(document)
        return tokenizer(document)

    assert len(text_windows(watched, [text], "calibration", 1, WINDOW)) == 1
    assert tokenised == DOCUMENTS[:1]


@pytest.mark.parametrize(("documents", "window", "have"), [(3, WINDOW, 2), (None, 9, 0)])
def test_too_few_documents_are_one_line(text, documents, window, have):
    line = rf"\Adocuments: tiny has {have} evaluation documents of {window} tokens, [^\n]*\Z"
    with pytest.raises(ValueError, match=line):
        text_windows(tokenizer, [text], "evaluation", documents, window)
