"""Commands that heal variants: heal."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from benchmarks.cli.app import app
from benchmarks.cli.options import Device, Dtype, Out, Seed, Texts, Threads, VariantFile, Window


@app.command()
def heal(
    variant: VariantFile,
    text: Texts,
    out: Out,
    tokens: Annotated[int, typer.Option(min=1, help="Calibration tokens")] = 65_536,
    window: Window = 512,
    scope: Annotated[
        Literal["changed", "after"],
        typer.Option(help="Stages that the plan changed, or all from the first of these on"),
    ] = "changed",
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 2,
    seed: Seed = 0,
) -> None:
    """Refit a variant's weights on calibration text; writes its manifest, and weights beside it."""
    from benchmarks.healing.heal import heal as heal_variant
    from benchmarks.runtime.device import Runtime
    from cqil.healing.refit import RefitOptions

    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=seed)
    heal_variant(variant, text, tokens, window, RefitOptions(scope=scope), runtime, out)
