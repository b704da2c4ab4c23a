"""What README and docs print can be typed: scripts run, commands and their options exist."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from project import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
HUB_MODEL = "huggyllama/llama-7b"
BIN = Path(sys.executable).parent


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


SCRIPTS = [(page.name, code) for page in PAGES for code in blocks(page, "python")]


def command_lines(page: Path) -> list[str]:
    """Lines of indented blocks, without comments and with continued lines as one."""
    indented = re.findall(r"(?m)^    (\S(?:.*\\\n)*.*)$", page.read_text())
    return [line.replace("\\\n", " ") for line in indented]


COMMANDS = [
    (page.name, line)
    for page in PAGES
    for line in command_lines(page)
    if re.match(r"(cqil|python -m|make|snakemake|conda|hf|\.) ", line)
]


@pytest.fixture(scope="module")
def model_of_32_layers(tiny_llama, tmp_path_factory):
    """The tiny LLaMA with as many layers as LLaMA-7B."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("models") / "llama-32"
    AutoTokenizer.from_pretrained(tiny_llama).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig.from_pretrained(tiny_llama, num_hidden_layers=32)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("page", "code"), SCRIPTS, ids=[page for page, _ in SCRIPTS])
def test_a_script_runs_as_it_is_printed(page, code, model_of_32_layers, tmp_path):
    """On a tiny model in place of LLaMA-7B; of what needs the hub, the imports."""
    if "RELEASED" in code:
        imports = [n for n in ast.parse(code).body if isinstance(n, (ast.Import, ast.ImportFrom))]
        code = "\n".join(map(ast.unparse, imports))
    script = tmp_path / "snippet.py"
    script.write_text(code.replace(HUB_MODEL, str(model_of_32_layers)))
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_rule_of_the_tutorial_makes_a_plan():
    (code,) = blocks(ROOT / "docs" / "tutorial.md", "python")
    namespace: dict = {"__name__": "every_nth"}
    exec(compile(code, "tutorial.md", "exec"), namespace)
    namespace["EveryNth"].model_rebuild(_types_namespace=namespace)
    method = namespace["EveryNth"](method="every-nth", step=3)
    plan = method.plan(namespace["Evidence"](num_layers=8))
    assert plan.stored_layers == (0, 1, 2, 4, 5, 7)


@cache
def helped(*command: str) -> str:
    environment = os.environ | {"COLUMNS": "300", "TERM": "dumb", "NO_COLOR": "1"}
    return subprocess.run(
        [*command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True, env=environment
    ).stdout


def words_of(command: list[str]) -> tuple[list[str], list[str]]:
    """The command with its subcommands as it is started here, and the options that follow."""
    if command[0] == "cqil":
        start, rest = [str(BIN / "cqil"), command[1]], command[2:]
    else:
        start, rest = [sys.executable, "-m", command[2], command[3]], command[4:]
        if command[3] == "plan" and not rest[0].startswith("-"):
            start, rest = [*start, rest[0]], rest[1:]
    return start, [word for word in rest if word.startswith("--")]


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[line[:50] for _, line in COMMANDS])
def test_a_printed_command_exists_with_its_options(page, line):
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        targets = re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text())
        assert words[1] in targets
    elif words[0] == "snakemake":
        files = [b for a, b in pairwise(words) if a == "--configfile"]
        assert all((ROOT / file).exists() for file in files)
    elif words[0] == "cqil" or words[:2] == ["python", "-m"]:
        start, options = words_of(words)
        text = helped(*start)
        assert [option for option in options if option not in text] == []


def test_every_link_between_pages_leads_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
