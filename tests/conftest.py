"""What tests of several folders share: a tiny LLaMA on disk, ranks, made-up results, `cqil`."""

import os
import sys

import pytest
from hypothesis import settings

# Two pytest workers share the cores: a thread that waits must sleep, not spin on the other's core.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

settings.register_profile("default", derandomize=True, deadline=None)
settings.register_profile("deep", deadline=None)
settings.load_profile("default")

LONGEST_FILES = ("tests/e2e/test_smoke.py", "tests/workflow/")
"""Files that take minutes; they start first, so that two workers end at about the same time."""


def pytest_collection_modifyitems(items):
    """Tests of the longest files come first; otherwise the order stays."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST_FILES))


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
    import cqil.cli.app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("CQIL_DEBUG", raising=False)

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["cqil", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cqil.cli.app.main()
        return ended.value.code, *capsys.readouterr()

    return command


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    """Tests run on one thread, so that two of them can run at the same time."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def full_float64():
    """Norms and rotary angles of stock LLaMA in float64, which it computes in float32."""
    import full_precision

    with full_precision.full_float64():
        yield


@pytest.fixture(scope="session")
def two_ranks():
    from cqil.engine.parallel.worker_group import WorkerGroup

    with WorkerGroup(2) as workers:
        yield workers


@pytest.fixture(scope="session")
def four_ranks():
    from cqil.engine.parallel.worker_group import WorkerGroup

    with WorkerGroup(4) as workers:
        yield workers


@pytest.fixture
def folder(tmp_path):
    """A whole results folder, small and made up."""
    from made_up_results import MadeUpRun

    return MadeUpRun().fill(tmp_path)


@pytest.fixture(scope="session")
def drawn_report(tmp_path_factory):
    """The report of the small made-up results folder: its page, figures and tables. Read only."""
    from made_up_results import MadeUpRun

    from reports.page.page import write_report

    folder = MadeUpRun().fill(tmp_path_factory.mktemp("results"))
    return write_report(folder, folder / "out").parent


@pytest.fixture(scope="session")
def html(drawn_report):
    """The page of the small made-up results folder."""
    return (drawn_report / "report.html").read_text()
