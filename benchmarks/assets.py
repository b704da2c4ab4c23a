"""Wheels and texts of config/assets.yaml: fetched by name, checked by hash, read, never imported.

Imports no torch; models are converted by `models.py`, tasks are written by `tasks.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

from benchmarks.files import sha256_file, write_atomically, written_aside

TABLE: dict[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parent.parent / "config" / "assets.yaml").read_text()
)


def wheel_file(name: str) -> str:
    """File name of a pinned wheel."""
    return f"{name.replace('-', '_')}-{TABLE['wheels'][name]['version']}-py3-none-any.whl"


def fetch_wheel(name: str, out: Path) -> Path:
    """Downloads a pinned wheel with pip, which checks the hash; its dependencies stay away."""
    pin = TABLE["wheels"][name]
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


def split_documents(text: str, split: str) -> list[str]:
    """`doc-tags`: the bodies of <doc ...> blocks; `lines`: one document a line."""
    if split == "doc-tags":
        return [body.strip() for body in re.findall(r"<doc [^>]*>\n(.*?)</doc>", text, re.DOTALL)]
    return [line.strip() for line in text.splitlines() if line.strip()]


def write_text(name: str, wheel: Path, out: Path) -> None:
    """Writes the distinct documents of a text as JSON lines, half of them for calibration.

    The split is by the digest of the document, so that no document is ever on both sides.
    """
    asset = TABLE["texts"][name]
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(asset["file"]).decode("utf-8")
    rows = {}
    for document in split_documents(text, asset["split"]):
        digest = hashlib.sha256(document.encode()).hexdigest()
        part = "calibration" if int(digest[:8], 16) % 2 else "evaluation"
        rows[digest] = {"sha256": digest, "part": part, "text": document}
    lines = (json.dumps(rows[digest]) for digest in sorted(rows))
    write_atomically(out, "\n".join(lines) + "\n")


def read_documents(path: Path, part: str) -> list[dict[str, str]]:
    """Documents of `part` (calibration or evaluation), ordered by digest."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["part"] == part]
