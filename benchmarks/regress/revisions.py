"""Revisions of this checkout: which one to compare with, and its files in a folder of their own."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.results.provenance import ROOT

MAIN = ("origin/main", "main")


def commit_of(revision: str) -> str:
    """The full hash. Raises ValueError where the checkout has no such commit."""
    done = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if done.returncode:
        raise ValueError(
            f"base: {revision!r} is no commit of {ROOT}; fetch it, or name another one by BASE="
        )
    return done.stdout.strip()


def default_base() -> str:
    """Where this branch left main; on main itself the commit before what is being worked on."""
    head = commit_of("HEAD")
    for main in MAIN:
        done = _git("merge-base", "HEAD", main)
        if done.returncode == 0:
            base = done.stdout.strip()
            return base if base != head else commit_of("HEAD" if _dirty() else "HEAD~1")
    return commit_of("HEAD" if _dirty() else "HEAD~1")


@contextmanager
def unpacked(commit: str) -> Iterator[Path]:
    """A temporary folder with the files of a commit; nothing is entered into the repository."""
    with tempfile.TemporaryDirectory(prefix="cqil-regress-") as name:
        archive = Path(name) / "tree.tar"
        tree = Path(name) / "tree"
        tree.mkdir()
        done = _git("archive", "--format=tar", f"--output={archive}", commit, "cqil")
        if done.returncode:
            raise ValueError(f"base: {commit[:12]} has no package cqil; name a later commit")
        subprocess.run(["tar", "-xf", str(archive), "-C", str(tree)], check=True)
        yield tree


def _dirty() -> bool:
    return bool(_git("status", "--porcelain", "--untracked-files=no").stdout.strip())


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Raises ValueError where this is no checkout."""
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        raise ValueError("git: is not installed; the gate compares revisions by it") from None
    if "not a git repository" in done.stderr:
        raise ValueError(f"base: {ROOT} is no git checkout; clone the project to compare revisions")
    return done
