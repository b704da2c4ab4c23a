"""`cqil build | inspect | generate`: work with one plan. PLAN is one of

a slug such as S12-E28-P2-D1 (or `dense`), a file with a plan's JSON, a variant's manifest from
results/<run>/variants, which also says which model it is for, or a directory that `build` saved.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

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

    layer_plan, _ = read_plan(plan, layers or _depth_of(model))
    Console().print(draw_plan(layer_plan))


@app.command()
def build(
    plan: Plan,
    out: Annotated[Path, typer.Option(help="New directory for the checkpoint")],
    model: Model = None,
) -> None:
    """Save a plan over a model as a checkpoint that Transformers loads."""
    if out.is_file() or (out.exists() and any(out.iterdir())):
        raise ValueError(f"out: {out} is not empty; choose a new directory")
    from cqil.checkpoint import open_checkpoint
    from cqil.modeling import PlannedLlamaForCausalLM

    layer_plan, source = _plan_and_model(plan, model)
    checkpoint = open_checkpoint(source)
    tokenizer = checkpoint.tokenizer
    planned = PlannedLlamaForCausalLM.from_dense(checkpoint.load_dense(), layer_plan)
    partial = out.with_name(f".{out.name}.partial")
    planned.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    partial.replace(out)
    typer.echo(f"{planned.plan.slug}: {len(planned.plan.stored_layers)} layers in {out}")


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

    layer_plan, source = _plan_and_model(plan, model)
    layout = Layout(
        group_parallel_size=group_parallel_size,
        tensor_parallel_size=tensor_parallel_size,
        ungrouped_layers=ungrouped_layers,  # type: ignore[arg-type]
    )
    request = GenerationRequest(
        path=source,
        plan=layer_plan,
        prompt=prompt,
        max_new_tokens=max_new_tokens,
        options=EngineOptions(layout=layout, communicator=communicator, mode=mode),  # type: ignore[arg-type]
        device=device,
        dtype=dtype,
        threads=threads,
    )
    text, speeds = answer_request(request)
    if text:
        typer.echo(text)
    for line in speeds:
        typer.echo(line, err=True)


def read_plan(text: str, num_layers: int | None) -> tuple[LayerPlan, str | None]:
    """The plan that `text` names, and the directory of its model if a manifest tells it.

    Raises ValueError with one line where `text` names no plan.
    """
    path = Path(text).expanduser()
    if (path / "config.json").is_file():
        return _saved_plan(path), text
    if not path.is_file():
        if num_layers is None:
            raise ValueError(f"plan: {text!r} is no file; with a slug give --layers or --model")
        return LayerPlan.from_slug(text, num_layers), None
    try:
        data: Any = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"plan: {path} is not JSON ({error})") from None
    manifest = data if isinstance(data, dict) and "plan" in data else {"plan": data}
    if manifest.get("early_exit"):
        raise ValueError(
            f"plan: {path} leaves layers by confidence, which no plan says; "
            "use Engine.load with exits"
        )
    plan = LayerPlan.from_dict(manifest["plan"])
    if num_layers is not None:
        plan.check_depth(num_layers)
    # Results hold a plan too, but only a variant's manifest tells where the model lies.
    model = manifest.get("model")
    return plan, model.get("path") if isinstance(model, dict) else None


def _saved_plan(folder: Path) -> LayerPlan:
    """The plan that `cqil build` saved a folder with."""
    from cqil.checkpoint.config_file import read_config

    plan: LayerPlan | None = getattr(read_config(folder), "layer_plan", None)
    if plan is None:
        raise ValueError(f"plan: {folder} is a dense checkpoint; give a plan, and it as --model")
    return plan


def _depth_of(model: str | None) -> int | None:
    if model is None:
        return None
    from cqil.checkpoint.config_file import read_config
    from cqil.checkpoint.locate_checkpoint import locate_checkpoint

    config = read_config(locate_checkpoint(model))
    plan: LayerPlan | None = getattr(config, "layer_plan", None)
    return config.num_hidden_layers if plan is None else plan.num_layers


def _plan_and_model(plan: str, model: str | None) -> tuple[LayerPlan, str]:
    """The plan, and the directory or hub id of its model."""
    layer_plan, named_model = read_plan(plan, _depth_of(model))
    source = model or named_model
    if source is None:
        raise ValueError(f"model: {plan} does not name one; give --model")
    return layer_plan, source


def main() -> None:
    run_app(app)
