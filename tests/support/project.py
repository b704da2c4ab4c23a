"""A copy of the project and a tiny LLaMA of random weights, on which the real workflow runs."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("Snakefile", "workflow", "config", "cqil", "baselines", "benchmarks", "reports")
SERVER = Path(__file__).with_name("snakemake_server.py")


class Project:
    """A checkout in a folder of its own, with the commands that a user runs in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns("__pycache__", "history")
        for name in (*COPIED, "environment.yml", "requirements.lock"):
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=ignored)
            else:
                shutil.copy2(ROOT / name, folder / name)

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Snakemake's command line in this folder; standard error is part of stdout."""
        paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        request = {
            "arguments": ["--cores", "2", *arguments],
            "folder": str(self.folder),
            "environment": os.environ | {"PYTHONPATH": str(self.folder), "PATH": paths},
        }
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        answer = json.loads(server.stdout.readline())
        return subprocess.CompletedProcess(
            ["snakemake", *arguments], answer["returncode"], answer["stdout"]
        )

    def write_config(self, config: dict) -> Path:
        path = self.folder / "run.yaml"
        path.write_text(yaml.safe_dump(config))
        return path


@cache
def _server() -> subprocess.Popen[str]:
    """One for all tests of this process: importing Snakemake takes longer than planning a run."""
    server = subprocess.Popen(
        [sys.executable, "-P", str(SERVER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.kill)
    return server
