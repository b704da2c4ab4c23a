"""The smoke run, once for all tests of this folder: real weights, text and tasks to a report."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from project import ROOT

PROFILE = ["--workflow-profile", "workflow/profiles/default", "--configfile", "config/smoke.yaml"]


def snakemake_smoke(*arguments: str) -> str:
    """What Snakemake says of the smoke run with these arguments; it must end well."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *PROFILE, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def ask_snakemake(tmp_path_factory) -> Callable[..., str]:
    """`snakemake_smoke`, one at a time: pytest's workers share the folder."""
    lock = FileLock(tmp_path_factory.getbasetemp().parent / "smoke.lock")

    def ask(*arguments: str) -> str:
        with lock:
            return snakemake_smoke(*arguments)

    return ask


@pytest.fixture(scope="session")
def smoke(ask_snakemake) -> Path:
    """Results of the finished run. Of several pytest workers one runs it, the others wait."""
    ask_snakemake()
    return ROOT / "results" / "smoke"
