"""The layout holds: rooms say what belongs in them, names are unique, files stay small."""

from __future__ import annotations

import ast
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from project import ROOT

PACKAGES = ("cqil", "baselines", "benchmarks", "reports")
MAX_MODULES = 15
"""Modules of one folder that a reader takes in at first sight."""
MAX_BYTES = 300_000


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def rooms() -> list[Path]:
    return sorted({path.parent for path in modules()})


@pytest.mark.parametrize("room", rooms(), ids=lambda room: str(room.relative_to(ROOT)))
def test_a_room_says_what_belongs_there(room):
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text()))
    assert text
    assert text.splitlines()[0].endswith(".")


@pytest.mark.parametrize("room", rooms(), ids=lambda room: str(room.relative_to(ROOT)))
def test_a_room_holds_few_modules(room):
    assert len([path for path in room.glob("*.py") if path.name != "__init__.py"]) <= MAX_MODULES


def test_no_class_name_stands_twice():
    names = Counter(
        node.name
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_no_tracked_file_is_large():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    large = [path for path in files if path.exists() and path.stat().st_size > MAX_BYTES]
    assert large == []
