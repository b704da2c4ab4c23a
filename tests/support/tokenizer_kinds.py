"""Tokenizers as LLaMAs come with them, each written into a folder by the library that makes it."""

from __future__ import annotations

import json
from pathlib import Path

import sentencepiece
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

LINES = [f"a layer reads what layer {n} wrote, größer als {n * 7}" for n in range(300)]
SPECIAL = ["<unk>", "<s>", "</s>"]


def _byte_level(folder: Path, ends: str = "", **settings: object) -> None:
    """Byte-level BPE as Llama 3 has it; `ends`: what encloses a text, such as `<s> $A`."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(LINES, trainer)
    if ends:
        tokens = [(token, SPECIAL.index(token)) for token in ("<s>", "</s>")]
        tokenizer.post_processor = processors.TemplateProcessing(single=ends, special_tokens=tokens)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", **settings
    )
    fast.save_pretrained(folder)


def _words(folder: Path) -> None:
    """Whole words, with an unknown one."""
    words = sorted({word for line in LINES for word in line.split()})
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    # lm-eval 0.4.13 scores with no tokenizer that has neither a first nor an end token.
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>")
    fast.save_pretrained(folder)


def _sentencepiece(folder: Path, model_type: str, **settings: object) -> None:
    """A SentencePiece model alone, as LLaMA and OpenLLaMA ship it; settings as a second file."""
    text = folder / "text.txt"
    text.write_text("\n".join(LINES))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=330,
        model_type=model_type,
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    text.unlink()
    if settings:
        data = {"tokenizer_class": "LlamaTokenizer", **settings}
        (folder / "tokenizer_config.json").write_text(json.dumps(data))


KINDS = {
    "byte-level": _byte_level,
    "byte-level, begins": lambda folder: _byte_level(folder, "<s> $A"),
    "byte-level, begins and ends": lambda folder: _byte_level(folder, "<s> $A </s>"),
    "byte-level, cleans up": lambda folder: _byte_level(folder, clean_up_tokenization_spaces=True),
    "words": _words,
    "SentencePiece BPE alone": lambda folder: _sentencepiece(folder, "bpe"),
    "SentencePiece unigram alone": lambda folder: _sentencepiece(folder, "unigram"),
    "SentencePiece, ends": lambda folder: _sentencepiece(folder, "bpe", add_eos_token=True),
    "SentencePiece, no beginning": lambda folder: _sentencepiece(
        folder, "bpe", add_bos_token=False
    ),
    "SentencePiece, old spaces": lambda folder: _sentencepiece(folder, "bpe", legacy=True),
}
"""Name -> writes the files of a tokenizer into a folder."""
