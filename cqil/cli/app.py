"""`cqil build | inspect | generate`: work with one plan. PLAN is one of

a slug such as S12-E28-P2-D1 (or `dense`), a file with a plan's JSON, a variant's manifest from
results/<run>/variants, which also says which model it is for, or a directory that `build` saved.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cqil.cli.plan_source import PlanSource, read_plan
from cqil.cli.run_app import run_app
from cqil.plan import LayerPlan

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)

Plan = Annotated[str, typer.Argument(help="Slug, plan file or variant manifest")]
Model = Annotated[str | None, typer.Option(help="LLaMA directory or hub id")]


@app.command()
def inspect(
    plan: Plan,
    layers: Annotated[int | None, typer.Option(min=1, help="Depth of the checkpoint")] = None,
    model: Model = None,
) -> None:
    """Draw a plan: which layers run together, its depth and ideal speed-up."""
    from rich.console import Console

    from cqil.cli.plan_drawing import draw_plan

    Console().print(draw_plan(read_plan(plan, layers or _depth_of(model)).plan))


@app.command()
def build(
    plan: Plan,
    out: Annotated[Path, typer.Option(help="New directory for the checkpoint")],
    model: Model = None,
) -> None:
    """Save a plan over a model as a checkpoint that Transformers loads.

    Where the plan only leaves out layers, it is a plain LLaMA, which every runtime opens.
    """
    if out.is_file() or (out.exists() and any(out.iterdir())):
        raise ValueError(f"out: {out} is not empty; choose a new directory")
    from cqil.checkpoint import open_checkpoint
    from cqil.edits.edited_weights import apply_edits
    from cqil.modeling import PlannedLlamaForCausalLM
    from cqil.modeling.plain_llama import as_plain_llama, is_plain

    source, path = _plan_and_model(plan, model)
    source.check_constant()
    checkpoint = open_checkpoint(path)
    dense, tokenizer = checkpoint.load_dense(), checkpoint.tokenizer
    apply_edits(dense, source.edits)
    planned = PlannedLlamaForCausalLM.from_dense(dense, source.plan)
    saved = as_plain_llama(planned) if is_plain(source.plan) else planned
    partial = out.with_name(f".{out.name}.partial")
    saved.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    partial.replace(out)
    kind = "a plain LLaMA" if is_plain(source.plan) else "loaded with `import cqil.modeling`"
    typer.echo(f"{source.plan.slug}: {len(source.plan.stored_layers)} layers in {out}, {kind}")


@app.command()
def generate(
    plan: Plan,
    prompt: Annotated[str, typer.Option(help="Text to continue")],
    model: Model = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Tokens to add")] = 40,
    group_parallel_size: Annotated[
        int, typer.Option(min=1, help="Layers of a group that run at the same time")
    ] = 1,
    tensor_parallel_size: Annotated[
        int, typer.Option(min=1, help="Ranks that share each layer")
    ] = 1,
    ungrouped_layers: Annotated[
        str, typer.Option(help="Layers outside of groups: rank0, replicate or shard")
    ] = "rank0",
    communicator: Annotated[str, typer.Option(help="default, star, symm_mem or none")] = "default",
    mode: Annotated[str, typer.Option(help="eager, cuda_graph or compiled")] = "eager",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16")] = "float32",
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of each rank; default: cores / ranks")
    ] = None,
) -> None:
    """Continue a prompt greedily; the speed goes to stderr.

    Several ranks (group_parallel_size x tensor_parallel_size) are started here, or by torchrun
    around this command.
    """
    from cqil.cli.generate import GenerationRequest, answer_request
    from cqil.engine.options import EngineOptions
    from cqil.engine.parallel.layout import Layout

    source, path = _plan_and_model(plan, model)
    layout = Layout(
        group_parallel_size=group_parallel_size,
        tensor_parallel_size=tensor_parallel_size,
        ungrouped_layers=ungrouped_layers,  # type: ignore[arg-type]
    )
    options = EngineOptions(
        layout=layout,
        communicator=communicator,  # type: ignore[arg-type]
        mode=mode,  # type: ignore[arg-type]
        early_exit=source.early_exit,
    )
    request = GenerationRequest(
        path=path,
        plan=source.schedule or source.plan,
        edits=source.edits,
        prompt=prompt,
        max_new_tokens=max_new_tokens,
        options=options,
        device=device,
        dtype=dtype,
        threads=threads,
    )
    text, speeds = answer_request(request)
    if text:
        typer.echo(text)
    for line in speeds:
        typer.echo(line, err=True)


def _depth_of(model: str | None) -> int | None:
    if model is None:
        return None
    from cqil.checkpoint.config_file import read_config
    from cqil.checkpoint.locate_checkpoint import locate_checkpoint

    config = read_config(locate_checkpoint(model))
    plan: LayerPlan | None = getattr(config, "layer_plan", None)
    return config.num_hidden_layers if plan is None else plan.num_layers


def _plan_and_model(plan: str, model: str | None) -> tuple[PlanSource, str]:
    """What the plan argument names, and the directory or hub id of its model."""
    source = read_plan(plan, _depth_of(model))
    path = model or source.model
    if path is None:
        raise ValueError(f"model: {plan} does not name one; give --model")
    return source, path


def main() -> None:
    run_app(app)
