"""A copy of the project and a tiny LLaMA of random weights, on which the real workflow runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("Snakefile", "workflow", "config", "cqil", "baselines", "benchmarks", "reports")


class Project:
    """A checkout in a folder of its own, with the commands that a user runs in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (*COPIED, "environment.yml", "requirements.lock"):
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, folder / name)

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder), "PATH": paths},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def write_config(self, config: dict) -> Path:
        path = self.folder / "run.yaml"
        path.write_text(yaml.safe_dump(config))
        return path
