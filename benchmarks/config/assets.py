"""The table config/assets.yaml: pinned wheels, and the models, texts and tasks inside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ASSETS: dict[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parents[2] / "config" / "assets.yaml").read_text()
)
"""Kind of asset -> name -> entry."""


def wheel_file(name: str) -> str:
    """File name of a pinned wheel."""
    return f"{name.replace('-', '_')}-{ASSETS['wheels'][name]['version']}-py3-none-any.whl"
