"""Commands that measure this machine: bench and probe."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from benchmarks.cli.app import app
from benchmarks.cli.options import Device, Dtype, ModelFile, Out, Seed, Threads
from benchmarks.results.files import write_json


@app.command()
def bench(
    model: ModelFile,
    out: Out,
    prompt_tokens: Annotated[int, typer.Option(min=1, help="Length of the prompt")] = 32,
    new_tokens: Annotated[int, typer.Option(min=2, help="Tokens decoded in a run")] = 16,
    rounds: Annotated[int, typer.Option(min=5, help="Rounds; each runs every system once")] = 21,
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 2,
    seed: Seed = 0,
) -> None:
    """Compare the engine with other systems on this machine, in interleaved rounds."""
    from benchmarks.config.sections import Workload
    from benchmarks.engine_bench.engine_bench import run_engine_bench
    from benchmarks.models.manifest import read_manifest
    from benchmarks.runtime.device import Runtime

    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=seed)
    workload = Workload(prompt_tokens=prompt_tokens, new_tokens=new_tokens, rounds=rounds)
    write_json(out, run_engine_bench(read_manifest(model), workload, runtime).model_dump())


@app.command()
def probe(
    out: Out,
    ranks: Annotated[
        list[int] | None, typer.Option(min=2, help="Numbers of ranks besides one; default: 2")
    ] = None,
    shape: Annotated[str | None, typer.Option(help="Model whose decode steps are timed")] = None,
    layers: Annotated[int | None, typer.Option(min=4, help="Number of its layers")] = None,
    device: Device = "auto",
    dtype: Annotated[
        str | None,
        typer.Option(help="float32, bfloat16 or float16; default: float32 on CPU, else bfloat16"),
    ] = None,
    threads: Threads = 2,
) -> None:
    """Measure this machine for the cost model: messages, memory, launches, decode steps."""
    from benchmarks.cost_model.model_shapes import shape_named
    from benchmarks.probe.probe import run_probe
    from benchmarks.runtime.device import Runtime

    runtime = Runtime(device=device, dtype="float32", threads=threads, seed=0)
    default_dtype = {"cpu": "float32", "cuda": "bfloat16"}[runtime.start()]
    runtime = replace(runtime, dtype=dtype or default_dtype)
    model_shape = None if shape is None else shape_named(shape)
    if model_shape is not None and layers is not None:
        model_shape = model_shape.with_layers(layers)
    write_json(out, run_probe(runtime, ranks, shape=model_shape).model_dump())
