"""Revisions of this checkout: the one to compare with, and its files in a temporary folder."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.results.provenance import ROOT

MAIN_BRANCHES = ("origin/main", "main")


def commit_of(revision: str) -> str:
    """The full hash of a revision. Raises ValueError where the checkout has no such commit."""
    parsed = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if parsed.returncode:
        raise ValueError(
            f"base: {revision!r} is no commit of {ROOT}; fetch it, or name another one by BASE="
        )
    return parsed.stdout.strip()


def default_base() -> str:
    """The commit where this branch left main.

    On main it is the last commit before the work in progress: HEAD where files are changed, else
    the parent of HEAD.
    """
    head = commit_of("HEAD")
    replies = (_git("merge-base", "HEAD", branch) for branch in MAIN_BRANCHES)
    base = next((reply.stdout.strip() for reply in replies if reply.returncode == 0), head)
    return base if base != head else commit_of("HEAD" if _dirty() else "HEAD~1")


@contextmanager
def unpacked(commit: str) -> Iterator[Path]:
    """A temporary folder with the package `cqil` of a commit; the repository stays as it is."""
    with tempfile.TemporaryDirectory(prefix="cqil-regress-") as name:
        archive = Path(name) / "tree.tar"
        tree = Path(name) / "tree"
        tree.mkdir()
        archived = _git("archive", "--format=tar", f"--output={archive}", commit, "cqil")
        if archived.returncode:
            raise ValueError(f"base: {commit[:12]} has no package cqil; name a later commit")
        subprocess.run(["tar", "-xf", str(archive), "-C", str(tree)], check=True)
        yield tree


def _dirty() -> bool:
    """Whether tracked files differ from HEAD."""
    return bool(_git("status", "--porcelain", "--untracked-files=no").stdout.strip())


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs git. Raises ValueError where git or the checkout is missing."""
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        raise ValueError("git: is not installed; the gate compares revisions by it") from None
    if "not a git repository" in done.stderr:
        raise ValueError(f"base: {ROOT} is no git checkout; clone the project to compare revisions")
    return done
