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

from benchmarks.conditions import affinity, governor, smt
from benchmarks.files import sha256_file
from benchmarks.record import Hardware, Provenance
from cqil.machine import cpu_name

ROOT = Path(__file__).resolve().parent.parent
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
PROJECT = ("cqil", "baselines", "benchmarks", "reports")


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


def hardware() -> Hardware:
    return Hardware(
        cpu=cpu_name(),
        cores=_usable_cores(),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        accelerators=_accelerators(),
        affinity=affinity(),
        smt=smt(),
        governor=governor(),
    )


def fingerprint(*modules: str) -> str:
    """Digest over the sources of project modules and of all that they import in the project.

    Snakemake does not see imported modules: rules pass this as a parameter, so that changed code
    reruns exactly the jobs that use it.
    """
    used = set(modules)
    for module in modules:
        used |= _import_graph().find_upstream_modules(module)
    digest = hashlib.sha256()
    for module in sorted(used):
        digest.update(module.encode() + b"\0" + _source(module).read_bytes())
    return digest.hexdigest()[:16]


@cache
def _import_graph() -> Any:
    import grimp

    return grimp.build_graph(*PROJECT, cache_dir=None)


def _source(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


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


def _usable_cores() -> int:
    """Logical cores this process may run on."""
    return len(affinity() or range(os.cpu_count() or 1))


def _accelerators() -> list[str]:
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
