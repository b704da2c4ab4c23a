"""The check that an edit is for this checkpoint, before any weight is changed."""

from __future__ import annotations

from collections.abc import Mapping

from cqil.checkpoint.tensor_reader import TensorReader
from cqil.edits.weight_edit import FileEdit

REMEDY = "use an edit of this checkpoint"


def check_fits(read: TensorReader, edit: FileEdit, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ValueError for a name that the checkpoint lacks, or holds in another shape.

    `shapes`: name -> shape, for every weight that the edit changes.
    """
    for name, shape in shapes.items():
        # One row tells both: it starts where the last one must, and is as wide as all are.
        last_row = read(name, slice(max((1, *shape[:1])) - 1, None))
        if last_row is None:
            raise ValueError(
                f"edits: {edit.path} changes {name}, which is not in the checkpoint; {REMEDY}"
            )
        if last_row.shape != (1, *shape[1:]):
            whole = read(name)
            assert whole is not None
            raise ValueError(
                f"edits: {name} is {shape} in {edit.path}, but {tuple(whole.shape)} in the "
                f"checkpoint; {REMEDY}"
            )
