"""Which files of a folder hold its weights, as Transformers chooses them, and what is in each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from cqil.checkpoint.config_file import read_json_object

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
"""File of a checkpoint in several shards that names them."""
LFS_POINTER = b"version https://git-lfs"
"""How a file begins that Git LFS has not fetched."""


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies."""

    file: Path
    name: str
    """Its name in the file."""
    shape: tuple[int, ...]


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The files that Transformers reads: `model.safetensors`, else what the index names.

    Files of an earlier save that lie beside them do not count. Raises ValueError where there is
    none, where a shard is missing, and for weights in another format.
    """
    if (folder / WEIGHTS_FILE).is_file():
        return (folder / WEIGHTS_FILE,)
    if not (folder / INDEX_FILE).is_file():
        found = "others" if any(folder.glob("*.bin")) else "none"
        raise ValueError(
            f"model: {folder} holds neither {WEIGHTS_FILE} nor {INDEX_FILE}, and {found} are read; "
            "save the model as safetensors"
        )
    weight_map = read_json_object(folder / INDEX_FILE).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(f"{folder / INDEX_FILE}: has no weight_map; fetch the checkpoint again")
    shards = sorted({str(name) for name in weight_map.values()})
    for shard in shards:
        if Path(shard).name != shard or not (folder / shard).is_file():
            raise ValueError(f"{folder}: shard {shard} is missing; fetch the checkpoint again")
    return tuple(folder / shard for shard in shards)


def stored_tensors(files: tuple[Path, ...]) -> dict[str, StoredTensor]:
    """Stored name -> tensor; of two with one name that of the later file, as in Transformers."""
    tensors: dict[str, StoredTensor] = {}
    for file in files:
        with opened(file) as shard:
            for name in shard.keys():  # noqa: SIM118, it is no dictionary
                shape = tuple(shard.get_slice(name).get_shape())
                tensors[name] = StoredTensor(file, name, shape)
    return tensors


@contextmanager
def opened(file: Path, device: str = "cpu") -> Iterator[safe_open]:
    """The open file. Raises ValueError where it is damaged, incomplete or not fetched."""
    try:
        with safe_open(file, framework="pt", device=device) as shard:
            yield shard
    except SafetensorError as error:
        with file.open("rb") as start:
            if start.read(len(LFS_POINTER)) == LFS_POINTER:
                raise ValueError(f"{file}: is a Git LFS pointer; run `git lfs pull`") from None
        raise ValueError(f"{file}: is damaged ({error}); fetch the checkpoint again") from None
