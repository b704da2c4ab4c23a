"""The kinds of edits as data, which manifests hold. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from cqil.errors import check_known


@dataclass(frozen=True)
class LayerMerge:
    """LaCo (arXiv 2402.11187): one layer takes in those after it, which are then left out."""

    kind: ClassVar[str] = "merge"
    into: int
    taken: tuple[int, ...]
    rule: Literal["paper", "notebook"] = "paper"
    """`paper` adds each difference to the first layer; `notebook` ends with the last layer's."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values; `edit_from_dict` restores the edit."""
        data = {"into": self.into, "taken": list(self.taken), "rule": self.rule}
        return {"kind": self.kind, **data}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LayerMerge:
        return cls(data["into"], tuple(data["taken"]), data["rule"])


@dataclass(frozen=True)
class FileEdit:
    """An edit whose weights lie in a file or folder beside the manifest."""

    kind: ClassVar[str]
    path: str
    sha256: str
    """Digest of the weights; another one is refused."""
    made: dict[str, Any] = field(default_factory=dict, compare=False)
    """How it was made: method, tokens, seed, seconds and what they gave."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values; `edit_from_dict` restores the edit."""
        return {"kind": self.kind, "path": self.path, "sha256": self.sha256, "made": self.made}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FileEdit:
        return cls(data["path"], data["sha256"], data["made"])


@dataclass(frozen=True)
class Refit(FileEdit):
    """Weights that take the place of others: a safetensors file under the names of the model."""

    kind: ClassVar[str] = "refit"


@dataclass(frozen=True)
class Adapter(FileEdit):
    """A LoRA adapter of the dense model in peft's format, merged into its weights."""

    kind: ClassVar[str] = "adapter"


WeightEdit = LayerMerge | Refit | Adapter
Edits = tuple[WeightEdit, ...]
KINDS: dict[str, type[LayerMerge] | type[Refit] | type[Adapter]] = {
    edit.kind: edit for edit in (LayerMerge, Refit, Adapter)
}


def edits_from_dicts(data: Sequence[dict[str, Any]]) -> Edits:
    """The edits of a manifest. Raises ValueError for a kind that is unknown."""
    edits = []
    for entry in data:
        check_known("edits.kind", entry["kind"], KINDS)
        edits.append(KINDS[entry["kind"]].from_dict(entry))
    return tuple(edits)  # type: ignore[arg-type]
