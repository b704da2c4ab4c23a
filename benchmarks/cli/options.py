"""Options that several commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

Out = Annotated[Path, typer.Option(help="File or folder to write")]
Wheel = Annotated[Path, typer.Option(help="Wheel that `wheel` fetched")]
ModelFile = Annotated[Path, typer.Option("--model", help="Manifest of the model")]
VariantFile = Annotated[Path, typer.Option("--variant", help="Manifest of the variant")]
Options = Annotated[str, typer.Option(help="Method and its options, as JSON")]
Texts = Annotated[list[Path], typer.Option("--text", help="Documents as JSON lines")]
Documents = Annotated[int | None, typer.Option(min=1, help="Documents of each text; default: all")]
DocumentCount = Annotated[int, typer.Option("--documents", min=1, help="Documents of each text")]
Window = Annotated[int, typer.Option(min=16, help="Tokens of a window")]
Grid = Annotated[int, typer.Option(min=1, help="Candidates to try, where not all are tried")]
Score = Annotated[
    Literal["second-half", "all"],
    typer.Option(help="Scored tokens of a window: its second half, or all but the first"),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Dtype = Annotated[str, typer.Option(help="float32, bfloat16 or float16")]
Threads = Annotated[int, typer.Option(help="PyTorch threads")]
Seed = Annotated[int, typer.Option(help="Seed of all random draws")]


def parse_json_object(option: str, text: str) -> dict[str, Any]:
    """The value of an option that takes a JSON object. Raises ValueError for anything else."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{option}: {text!r} is not JSON ({error})") from None
    if not isinstance(data, dict):
        raise ValueError(f"{option}: {text!r} is no JSON object; write {{...}}")
    return data
