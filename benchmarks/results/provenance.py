"""What a number was measured with: code, packages, hardware, command. Imports no torch."""

from __future__ import annotations
import hashlib
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
import psutil
from benchmarks.results.files import sha256_file
from benchmarks.results.schema import Hardware, Provenance
from cqil.cli.cpu_name import cpu_name
from benchmarks.results.hardware import hardware

ROOT = Path(__file__).resolve().parents[2]


PACKAGES = (
    "torch",
    "transformers",
    "lm_eval",
    "numpy",
    "peft",
    "accelerate",
    "tokenizers",
    "sacrebleu",
    "rouge_score",
)


def provenance(device: str, dtype: str, threads: int, seed: int) -> Provenance:
    """The record of this process, this checkout and this machine."""
    lock = ROOT / "requirements.lock"
    return Provenance(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        commit=_git("rev-parse", "HEAD"),
        dirty=None if (status := _git("status", "--porcelain")) is None else bool(status),
        lock_sha256=sha256_file(lock) if lock.exists() else None,
        packages=_installed(PACKAGES),
        python=platform.python_version(),
        system=platform.platform(),
        hardware=hardware(),
        threads=threads,
        device=device,
        dtype=dtype,
        seed=seed,
    )


def _git(*arguments: str) -> str | None:
    """Output of git in this checkout; None where there is no git or no checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _installed(names: tuple[str, ...]) -> dict[str, str]:
    """Versions of those packages that are there; a timing machine needs no evaluation harness."""
    found = {}
    for name in names:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
