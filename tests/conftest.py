"""What tests of several folders share: a tiny LLaMA on disk, and the `cqil` command."""

import sys

import pytest
from hypothesis import settings

settings.register_profile("default", derandomize=True, deadline=None)
settings.register_profile("deep", deadline=None)
settings.load_profile("default")


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory):
    """Directory of a LLaMA of four layers with a byte-level tokenizer, as Transformers saves it."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "llama"
    vocabulary = {byte: i for i, byte in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=1,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=None,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(name="cqil")
def cqil_command(monkeypatch, capsys, tmp_path):
    """Runs `cqil ARGUMENTS` in an empty folder; returns exit code, stdout and stderr."""
    import cqil.__main__

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("CQIL_DEBUG", raising=False)

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["cqil", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cqil.__main__.main()
        return ended.value.code, *capsys.readouterr()

    return command
