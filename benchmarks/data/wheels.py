"""Wheels of config/assets.yaml: fetched by name, checked by hash, read as archives, never imported.

Imports no torch.
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
from cqil.errors import check_known


def fetch_wheel(name: str, out: Path) -> Path:
    """Downloads a pinned wheel with pip, which checks its hash, without dependencies.

    Raises ValueError for a wheel that is unknown.
    """
    check_known("wheel", name, ASSETS["wheels"])
    pin = ASSETS["wheels"][name]
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(f"{name}=={pin['version']} --hash=sha256:{pin['sha256']}\n")
        requirements.flush()
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        print(f"fetching {name} {pin['version']}", file=sys.stderr)
        subprocess.run([*pip, "--dest", str(out), "--requirement", requirements.name], check=True)
    return out / wheel_file(name)


def open_wheel(wheel: Path) -> zipfile.ZipFile:
    """A wheel as an archive. Raises ValueError for a file that is none, OSError for no file."""
    try:
        return zipfile.ZipFile(wheel)
    except zipfile.BadZipFile:
        raise ValueError(
            f"wheel: {wheel} is no wheel; fetch it with `python -m benchmarks wheel`"
        ) from None


def extract(wheel: Path, member: str, out: Path) -> Path:
    """Unpacks one member to `out`. Raises ValueError where the wheel has no such member."""
    with open_wheel(wheel) as archive:
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
    """Raises ValueError where a file has another digest than the pinned one."""
    if (digest := sha256_file(path)) != expected:
        raise ValueError(f"{path}: sha256 {digest} is not the pinned {expected}; fetch it again")
