"""Every command, with one malformed value at a time: one line, exit code 2, nothing written."""

import json
import sys

import pytest

import benchmarks.__main__ as commands
from cqil.cli.app import app as cqil_app
from cqil.cli.run_app import run_app

WORKLOAD = json.dumps({"prompt_tokens": 4, "new_tokens": 2, "rounds": 5})
VARIANT = ("--variant", "{variant}")
MODEL, TEXT = ("--model", "{model}"), ("--text", "{text}")
SIZES = ("--documents", "1", "--window", "16")
OPTIONS = ("--options", '{{"method": "sleb", "depth": 3}}')
OUT = ("--out", "{out}")
COMMANDS = {
    "model": ("{folder}", *OUT),
    "similarity": (*MODEL, *TEXT, *SIZES, *OUT),
    "search": (*OPTIONS, *MODEL, *TEXT, *SIZES, "--grid", "2", *OUT),
    "variant": ("short", *OPTIONS, *MODEL, *OUT),
    "plan": ("sleb", "--depth", "3", *MODEL, *TEXT, *SIZES, *OUT),
    "perplexity": (*VARIANT, *TEXT, "--window", "16", *OUT),
    "multiple-choice": (*VARIANT, "--tasks", '{{"sciq": 1}}', "--folder", "{folder}", *OUT),
    "latency": (*VARIANT, "--workload", WORKLOAD.replace("{", "{{").replace("}", "}}"), *OUT),
    "bench": (*MODEL, *OUT),
    "generate": ("dense", "--prompt", "a layer", *MODEL, *("--device", "cpu")),
    "text": ("wikipedia", "--wheel", "{text}", *OUT),
    "tasks": ("sciq", "--wheel", "{text}", *OUT),
    "examples": ("de-en", "--origin", "{text}", *OUT),
    "generation": (*VARIANT, "--task", "de-en", "--examples", "{text}", *OUT),
    "heal": (*VARIANT, *TEXT, "--tokens", "32", "--window", "16", *OUT),
    "build": ("S0-E4-P2-D0", *MODEL, *OUT),
}
"""Command -> arguments that it takes; {names} are files of the test."""
WORDS = ["", "[1]", "nan", "-1", "{bad}", "absent/file.json", "{text}", "{folder}", "12ab"]
"""What stands in place of one argument."""
LEGAL = {
    ("generate", "--prompt"): WORDS,
    ("plan", "--text"): ["{text}", "{bad}"],  # any text will do
    ("similarity", "--text"): ["{text}"],
    ("search", "--text"): ["{text}"],
    ("perplexity", "--text"): ["{text}"],
    ("heal", "--text"): ["{text}"],
    ("plan", "--model"): ["{folder}"],
    ("generate", "--model"): ["{folder}"],
    ("build", "--model"): ["{folder}"],
    ("model", ""): ["{folder}"],
    ("variant", ""): WORDS,
}
"""Argument -> values that are not malformed there."""


def cases():
    for command, arguments in COMMANDS.items():
        for place, value in enumerate(arguments):
            if value.startswith("--"):
                continue
            option = arguments[place - 1] if place else ""
            option = option if option.startswith("--") else ""
            for word in WORDS:
                if option == "--out" or word in LEGAL.get((command, option), []):
                    continue
                changed = [*arguments[:place], word, *arguments[place + 1 :]]
                yield pytest.param(command, changed, id=f"{command} {option or place} {word!r}")


@pytest.fixture(scope="module")
def files(tiny_llama, manifest, variants, text, tmp_path_factory):
    """Name -> path of valid files, and of one that holds something else."""
    folder = tmp_path_factory.mktemp("files")
    from benchmarks.models.variants import write_variant

    write_variant("dense", {"method": "dense"}, manifest, None, None, folder / "variant.json")
    (folder / "bad.json").write_text('{"plan": {"num_layers": 3}, "model": 5, "edits": 1}')
    return {
        "folder": tiny_llama,
        "model": manifest,
        "variant": folder / "variant.json",
        "text": text,
        "bad": folder / "bad.json",
    }


def run(app, arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_app(app)
    return ended.value.code, capsys.readouterr()


@pytest.mark.parametrize(("command", "arguments"), list(cases()))
def test_one_malformed_argument(command, arguments, files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("CQIL_DEBUG", raising=False)
    out = tmp_path / "out" / "result.json"
    filled = [argument.format(**files, out=out) for argument in arguments]
    app = cqil_app if command in ("generate", "build") else commands.app
    code, printed = run(app, [command, *filled], monkeypatch, capsys)
    assert code == 2, printed
    assert "Traceback" not in printed.err
    # Typer draws a box around usage errors; all others are one line.
    lines = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 or "Usage:" in printed.err
    assert not out.exists()
