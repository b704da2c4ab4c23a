"""Provenance of a measurement: code, packages, hardware, command. Imports no torch."""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.results.files import sha256_file
from benchmarks.results.hardware import hardware
from benchmarks.results.schema_parts import Provenance

ROOT = Path(__file__).resolve().parents[2]
"""Folder of this checkout."""
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
"""Packages whose versions a record keeps."""


def provenance(device: str, dtype: str, threads: int, seed: int) -> Provenance:
    """The record of this process, this checkout and this machine."""
    lock, status = ROOT / "requirements.lock", _git("status", "--porcelain")
    return Provenance(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        commit=_git("rev-parse", "HEAD"),
        dirty=None if status is None else bool(status),
        lock_sha256=sha256_file(lock) if lock.exists() else None,
        packages=_versions(PACKAGES),
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
        completed = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return completed.stdout.strip()


def _versions(names: tuple[str, ...]) -> dict[str, str]:
    """Version of each package; packages that are not installed are left out."""
    versions = {}
    for name in names:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
