"""Commands that measure variants: perplexity, multiple choice, generation, latency."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cli.app import app
from benchmarks.cli.options import (
    Device,
    Documents,
    Dtype,
    Out,
    Seed,
    Texts,
    Threads,
    VariantFile,
    Window,
    parse_json_object,
)
from benchmarks.results.result_schema import Result, write_result


@app.command()
def perplexity(
    variant: VariantFile,
    text: Texts,
    window: Window,
    out: Out,
    documents: Documents = None,
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 1,
) -> None:
    """Measure a variant's perplexity."""
    from benchmarks.accuracy.perplexity import measure_perplexity
    from benchmarks.models.variants import read_variant
    from benchmarks.runtime.device import Runtime

    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=0)
    save(out, measure_perplexity(read_variant(variant), text, documents, window, runtime))


@app.command()
def multiple_choice(
    variant: VariantFile,
    tasks: Annotated[str, typer.Option(help="JSON: task -> documents, null takes all")],
    folder: Annotated[Path, typer.Option(help="Holds a folder of files for each task")],
    out: Out,
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 1,
    seed: Seed = 0,
) -> None:
    """Measure a variant's accuracy on multiple-choice tasks."""
    from benchmarks.accuracy.multiple_choice import measure_multiple_choice
    from benchmarks.models.variants import read_variant
    from benchmarks.runtime.device import Runtime

    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=seed)
    documents = parse_json_object("tasks", tasks)
    save(out, measure_multiple_choice(read_variant(variant), documents, folder, runtime))


@app.command()
def generation(
    variant: VariantFile,
    task: Annotated[str, typer.Option(help="Task of config/generation.yaml")],
    examples: Annotated[Path, typer.Option(help="Its examples as JSON lines")],
    out: Out,
    documents: Documents = None,
    batch: Annotated[int, typer.Option(min=1, help="Documents in one batch")] = 8,
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 1,
) -> None:
    """Generate texts with a variant, and score them."""
    from benchmarks.accuracy.text_generation import measure_generation
    from benchmarks.models.variants import read_variant
    from benchmarks.runtime.device import Runtime

    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=0)
    save(out, measure_generation(read_variant(variant), task, examples, documents, batch, runtime))


@app.command()
def latency(
    variant: Annotated[list[Path], typer.Option(help="Manifests of the variants")],
    workload: Annotated[str, typer.Option(help="JSON: the latency section of a configuration")],
    out: Out,
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 1,
    seed: Seed = 0,
) -> None:
    """Time all variants on all backends, interleaved; writes BACKEND/WORKLOAD/VARIANT.json."""
    from pydantic import ValidationError

    from benchmarks.config.sections import LatencySection
    from benchmarks.config.validation_errors import explain_validation_error
    from benchmarks.latency.measure_latency import measure_latency, result_path
    from benchmarks.models.variants import read_variant
    from benchmarks.runtime.device import Runtime

    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=seed)
    try:
        section = LatencySection.model_validate_json(workload)
    except ValidationError as error:
        raise ValueError(f"workload: {explain_validation_error(error)}") from None
    for result in measure_latency([read_variant(path) for path in variant], section, runtime):
        save(out / result_path(result), result)


def save(out: Path, result: Result) -> None:
    """Writes a result, and prints the reason where it has no number."""
    write_result(out, result)
    if result.status != "ok":
        typer.echo(f"{result.kind} of {result.variant} {result.status}: {result.reason}", err=True)
