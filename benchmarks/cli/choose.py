"""Commands that choose plans: similarity, search, variant, plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cli.app import app
from benchmarks.cli.options import (
    Device,
    DocumentCount,
    Dtype,
    Grid,
    ModelFile,
    Options,
    Out,
    Score,
    Texts,
    Threads,
    Window,
    parse_json_object,
)


@app.command()
def similarity(
    model: ModelFile,
    text: Texts,
    documents: DocumentCount,
    window: Window,
    out: Out,
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 1,
) -> None:
    """Measure the similarity of layers on calibration text."""
    from benchmarks.runtime.device import Runtime
    from benchmarks.search.calibration import write_similarity

    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=0)
    write_similarity(model, text, documents, window, runtime, out)


@app.command()
def search(
    options: Options,
    model: ModelFile,
    text: Texts,
    documents: DocumentCount,
    window: Window,
    out: Out,
    grid: Grid = 13,
    score: Score = "second-half",
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 1,
) -> None:
    """Run a method's search on calibration text."""
    from benchmarks.config.run_config import SearchSection
    from benchmarks.cost_model.depth_for_budget import resolve_depth
    from benchmarks.models.manifest import read_manifest
    from benchmarks.runtime.device import Runtime
    from benchmarks.search.calibration import write_search

    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=0)
    resolved, _ = resolve_depth(parse_json_object("options", options), read_manifest(model))
    settings = SearchSection(grid=grid, documents=documents, window=window, score=score)
    write_search(resolved, model, text, settings, runtime, out)


@app.command()
def variant(
    name: str,
    options: Options,
    model: ModelFile,
    out: Out,
    similarity: Annotated[Path | None, typer.Option(help="File, if the method needs one")] = None,
    search: Annotated[Path | None, typer.Option(help="File, if the method needs one")] = None,
    healed: Annotated[
        Path | None, typer.Option(help="Healed variant of the same plan, whose weights are taken")
    ] = None,
) -> None:
    """Choose a variant's plan and write its manifest."""
    from benchmarks.cost_model.depth_for_budget import resolve_depth
    from benchmarks.models.manifest import read_manifest
    from benchmarks.models.variants import write_variant

    resolved, budget = resolve_depth(parse_json_object("options", options), read_manifest(model))
    write_variant(name, resolved, model, similarity, search, out, budget, healed)


@app.command()
def plan(
    rule: Annotated[str, typer.Argument(help="Method, such as uniform, cosine or shortgpt")],
    model: Annotated[str, typer.Option(help="LLaMA folder, hub id or manifest")],
    text: Annotated[list[Path], typer.Option(help="Plain text, or documents as JSON lines")],
    out: Out,
    depth: Annotated[int | None, typer.Option(min=1, help="Stages left")] = None,
    speedup: Annotated[
        float | None, typer.Option(help="In place of depth: layers over stages")
    ] = None,
    latency_budget: Annotated[
        float | None, typer.Option(help="In place of depth: ms of a token")
    ] = None,
    machine: Annotated[
        str | None, typer.Option(help="For the budget: preset or probe file")
    ] = None,
    group_parallel_size: Annotated[
        int, typer.Option(min=1, help="For the budget: layers of a group that run at the same time")
    ] = 1,
    tensor_parallel_size: Annotated[
        int, typer.Option(min=1, help="For the budget: ranks that share a layer")
    ] = 1,
    option: Annotated[str, typer.Option(help="Further options of the rule, as JSON")] = "{}",
    documents: DocumentCount = 4,
    window: Window = 256,
    grid: Grid = 13,
    score: Score = "second-half",
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = 2,
) -> None:
    """Choose a plan for a model: a rule's search over your text, to a depth or a latency."""
    from rich.console import Console

    from benchmarks.config.run_config import SearchSection
    from benchmarks.runtime.device import Runtime
    from benchmarks.search.make_plan import make_plan, target_options
    from cqil.cli.plan_drawing import draw_plan

    options = target_options(
        {"method": rule, **parse_json_object("option", option)},
        depth=depth,
        speedup=speedup,
        budget={
            "ms": latency_budget,
            "machine": machine,
            "group_parallel_size": group_parallel_size,
            "tensor_parallel_size": tensor_parallel_size,
            "dtype": dtype,
        },
    )
    runtime = Runtime(device=device, dtype=dtype, threads=threads, seed=0)
    settings = SearchSection(grid=grid, documents=documents, window=window, score=score)
    chosen = make_plan(options, model, text, out, settings=settings, runtime=runtime)
    Console().print(draw_plan(chosen))
