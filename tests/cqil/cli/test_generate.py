"""`cqil generate`: one device and two ranks write the same text; bad input is one line."""

import re

import pytest

PROMPT = ["--prompt", "Once upon", "--max-new-tokens", 6]


def test_ranks_write_what_one_device_writes(cqil, tiny_llama):
    code, text, speed = cqil("generate", "S0-E4-P2-D1", "--model", tiny_llama, *PROMPT)
    assert code == 0
    assert text.startswith("Once upon")
    assert re.search(r"[\d.]+ tokens/s .* GB/s read, \d+% of the [\d.]+ GB/s", speed)
    for how in (
        ["--group-parallel-size", 2],
        ["--tensor-parallel-size", 2],
        ["--group-parallel-size", 2, "--communicator", "star"],
    ):
        code, again, speeds = cqil(
            "generate", "S0-E4-P2-D1", "--model", tiny_llama, *PROMPT, *how, "--threads", 1
        )
        assert (code, again) == (0, text)
        assert [line[:11] for line in speeds.splitlines()] == ["rank 0 of 2", "rank 1 of 2"]


def test_text_without_communication_says_that_it_is_wrong(cqil, tiny_llama):
    how = ["--group-parallel-size", 2, "--communicator", "none"]
    code, _, said = cqil("generate", "S0-E4-P2-D0", "--model", tiny_llama, *PROMPT, *how)
    assert code == 0
    assert "the text is wrong" in said


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--mode", "cuda_graph", "--device", "cpu"], "mode: 'cuda_graph'"),
        (["--mode", "fast"], "mode: 'fast'"),
        (["--communicator", "wire"], "communicator: 'wire'"),
        (["--communicator", "symm_mem", "--device", "cpu"], "communicator: 'symm_mem'"),
        (["--dtype", "int4"], "dtype: 'int4'"),
        (["--device", "tpu"], "device: 'tpu'"),
        (["--ungrouped-layers", "last"], "ungrouped_layers: 'last'"),
        (["--tensor-parallel-size", 3], "tensor_parallel_size: 3"),
        (["--group-parallel-size", 3], "stage [0, 1, 2, 3] has 4 members"),
        (["--prompt", ""], "prompt: is empty"),
    ],
)
def test_bad_input_is_one_line_before_any_rank_starts(cqil, tiny_llama, options, word):
    code, out, err = cqil("generate", "S0-E4-P4-D0", "--model", tiny_llama, *PROMPT, *options)
    assert (code, out) == (2, "")
    assert word in err
    assert len(err.splitlines()) == 1
