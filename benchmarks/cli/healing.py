"""Commands that heal variants: heal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cli.app import app
from benchmarks.cli.options import (
    Device,
    Dtype,
    Out,
    Seed,
    Threads,
    VariantFile,
    parse_json_object,
)


@app.command()
def heal(
    variant: VariantFile,
    step: Annotated[
        str, typer.Option(help="Method (refit, lora, full or adapter) and its options, as JSON")
    ],
    out: Out,
    text: Annotated[list[Path], typer.Option(help="Documents as JSON lines")] = [],  # noqa: B006
    evaluated: Annotated[
        list[Path], typer.Option(help="Texts whose evaluation documents are kept out of the data")
    ] = [],  # noqa: B006
    data: Annotated[
        str, typer.Option(help="Window, held-out windows, and a dataset in place of text, as JSON")
    ] = "{}",
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 2,
    seed: Seed = 0,
) -> None:
    """Heal a variant by one step; writes its manifest, and weights to a folder beside it."""
    from benchmarks.config.healing import parse_data, parse_step
    from benchmarks.healing.heal import heal as heal_variant
    from benchmarks.healing.healing_text import HealingText
    from benchmarks.runtime.device import Runtime

    chosen = parse_step(parse_json_object("step", step))
    section = parse_data(parse_json_object("data", data))
    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=seed)
    heal_variant(variant, chosen, HealingText(section, text, evaluated), runtime, out)
