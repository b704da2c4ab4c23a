"""Manifests of models: which checkpoint, under which digests, and whether it is still the same.

A manifest is JSON: name, path of the checkpoint's folder, sha256 over weights and configuration,
settings_sha256 over tokenizer and generation settings, the state of the large files, num_layers and
note. All steps after `model` open the checkpoint through it. The path of an embedded model is
relative to the project's folder, so that the project can be moved.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.results.files import read_json, sha256_files, write_json
from cqil.checkpoint import Checkpoint, open_checkpoint

SETTINGS = ("generation_config.json", "tokenizer*", "vocab.json", "merges.txt", "*.jinja")
"""Small files beside the weights that change texts and scores."""
MANIFEST_FIELDS = {
    **dict.fromkeys(("name", "path", "sha256", "settings_sha256", "note"), str),
    "files": dict,
    "num_layers": int,
}
"""Field of a manifest -> its type."""
MAX_LISTED = 3
"""Unused tensors that the note names."""


def write_manifest(checkpoint: Checkpoint, name: str, path: str, note: str, out: Path) -> None:
    """Writes the manifest of a checkpoint that has been opened; `path` is where others find it."""
    notes = " ".join([*note.split(), *_unused_note(checkpoint).split()])
    manifest = {
        "name": name,
        "path": path,
        "sha256": _weights_digest(checkpoint),
        "settings_sha256": _settings_digest(checkpoint),
        "files": _file_states(checkpoint),
        "num_layers": checkpoint.config.num_hidden_layers,
        "note": notes,
    }
    write_json(out, manifest)


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest in a file. Raises ValueError where it is none."""
    manifest = read_json(path)
    check_manifest(manifest)
    return manifest


def check_manifest(manifest: Any) -> None:
    """Raises ValueError, naming the field, for what is no manifest of a model."""
    for key, kind in MANIFEST_FIELDS.items():
        value = manifest.get(key) if isinstance(manifest, dict) else None
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(
                f"model: the manifest lacks {key}; write it again with `python -m benchmarks model`"
            )


def open_manifest(manifest: dict[str, Any]) -> Checkpoint:
    """The checkpoint of a manifest.

    Raises ValueError as `open_checkpoint` does, and where its files have changed since the manifest
    was written. Weights are hashed again only where size or time of a file has changed.
    """
    check_manifest(manifest)
    checkpoint = open_checkpoint(manifest["path"])
    touched = _file_states(checkpoint) != manifest["files"]
    if touched and _weights_digest(checkpoint) != manifest["sha256"]:
        changed = "weights or configuration"
    elif _settings_digest(checkpoint) != manifest["settings_sha256"]:
        changed = "tokenizer or generation settings"
    else:
        return checkpoint
    raise ValueError(
        f"model: {changed} in {checkpoint.path} are not those that {manifest['name']} was prepared "
        "with; run the workflow again, so that every number is of one model"
    )


def _weight_files(checkpoint: Checkpoint) -> list[Path]:
    return [*checkpoint.files, checkpoint.path / "config.json"]


def _weights_digest(checkpoint: Checkpoint) -> str:
    return sha256_files(_weight_files(checkpoint))


def _settings_digest(checkpoint: Checkpoint) -> str:
    files = {file for pattern in SETTINGS for file in checkpoint.path.glob(pattern)}
    return sha256_files(file for file in files if file.is_file())


def _file_states(checkpoint: Checkpoint) -> dict[str, list[int]]:
    """File name -> size in bytes and time of the last change in nanoseconds."""
    states = {file.name: file.stat() for file in _weight_files(checkpoint)}
    return {name: [state.st_size, state.st_mtime_ns] for name, state in states.items()}


def _unused_note(checkpoint: Checkpoint) -> str:
    """What a reader must know where Transformers leaves out stored tensors."""
    if not (unused := checkpoint.unused):
        return ""
    listed = ", ".join(unused[:MAX_LISTED]) + (", …" if len(unused) > MAX_LISTED else "")
    return (
        f"{len(unused)} stored tensors are left out, since config.json has no place for them: "
        f"{listed}."
    )
