"""Wheels and texts of config/assets.yaml: fetched by name, checked by hash, read, never imported.

Imports no torch; models are converted by `models.py`, tasks are written by `tasks.py`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from benchmarks.config.assets import ASSETS, wheel_file
from benchmarks.results.files import sha256_file, written_aside


def fetch_wheel(name: str, out: Path) -> Path:
    """Downloads a pinned wheel with pip, which checks the hash; its dependencies stay away."""
    pin = ASSETS["wheels"][name]
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(f"{name}=={pin['version']} --hash=sha256:{pin['sha256']}\n")
        requirements.flush()
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        print(f"fetching {name} {pin['version']}", file=sys.stderr)
        subprocess.run([*pip, "--dest", str(out), "--requirement", requirements.name], check=True)
    return out / wheel_file(name)


def extract(wheel: Path, member: str, out: Path) -> Path:
    """Unpacks one file. Raises ValueError where the wheel lacks it."""
    with zipfile.ZipFile(wheel) as archive:
        if member not in archive.namelist():
            raise ValueError(f"{wheel}: holds no {member}; correct config/assets.yaml")
        with (
            written_aside(out) as aside,
            archive.open(member) as source,
            aside.open("wb") as target,
        ):
            shutil.copyfileobj(source, target)
    return out


def check_sha256(path: Path, expected: str) -> None:
    if (found := sha256_file(path)) != expected:
        raise ValueError(f"{path}: sha256 {found} is not the pinned {expected}; fetch it again")
