"""The folder of a checkpoint: a local directory, or the snapshot of a hub id. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

HUB_FILES = ["*.safetensors", "*.json", "*.jinja", "tokenizer*", "*.model"]
"""What is fetched of a hub repository; chat templates are `*.jinja`."""


def locate_checkpoint(name: str | Path) -> Path:
    """The folder. Raises ValueError where `name` is neither a directory nor a reachable hub id."""
    return locate_folder("model", name, HUB_FILES)


def locate_folder(field: str, name: str | Path, hub_files: Sequence[str]) -> Path:
    """A local directory, or the snapshot of a hub id, of which `hub_files` alone are fetched.

    Raises ValueError with one line that starts with `field` where `name` is neither.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve()
    if path.is_file():
        raise ValueError(f"{field}: {name} is a file; give the directory that it lies in")
    if _is_path(str(name)):
        raise ValueError(f"{field}: there is no directory {name}; give one, or a hub id")
    return _fetch(field, str(name), hub_files)


def _is_path(name: str) -> bool:
    """Whether the name can only be a path: a hub id is NAME or OWNER/NAME."""
    return name.startswith(("/", ".", "~")) or name.count("/") > 1 or "\\" in name


def _fetch(field: str, hub_id: str, hub_files: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(hub_id, allow_patterns=list(hub_files)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{field}: {hub_id!r} is no directory, and the hub does not give it ({reason}); "
            "download it and give its directory"
        ) from None
