"""`python -m reports report | bench | cost-model | break-even`: drawn from result files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results.engine_bench_record import read_bench
from benchmarks.results.files import write_atomically
from cqil.cli.run_app import run_app

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)
cost_model = typer.Typer(no_args_is_help=True, help="Set predictions beside measured times.")
app.add_typer(cost_model, name="cost-model")
Markdown = Annotated[Path, typer.Option("--out", help="Markdown file to write")]


@app.command()
def report(
    results: Annotated[Path, typer.Option(help="Folder of a run, such as results/default")],
    out: Annotated[Path, typer.Option(help="Folder to write the report to")],
    only: Annotated[
        str | None, typer.Option(help="Name of the one figure or table to make; no page")
    ] = None,
) -> None:
    """Draw the page, figures and tables of a run."""
    from reports.page.page import write_only, write_report

    if only is None:
        typer.echo(write_report(results, out))
    else:
        typer.echo("\n".join(map(str, write_only(results, out, only))))


@app.command()
def bench(
    file: Annotated[Path, typer.Argument(help="What `make bench` has written")], out: Markdown
) -> None:
    """Write a bench as Markdown tables, and print them."""
    from reports.tables.engine_bench import bench_markdown

    _write(out, bench_markdown(read_bench(file)))


@cost_model.command()
def published(out: Markdown) -> None:
    """Predict gpt-fast's and Ladder-Residual's tables."""
    from reports.tables.cost_model import published_markdown

    _write(out, published_markdown())


@cost_model.command()
def measured(
    probe: Annotated[Path, typer.Argument(help="What `make probe` has written")],
    bench: Annotated[Path, typer.Argument(help="What `make bench` has written, same machine")],
    out: Markdown,
    shape: Annotated[
        str | None, typer.Option(help="Model of the bench, where its name is no known shape")
    ] = None,
) -> None:
    """Predict a bench from a probe of the same machine."""
    from reports.tables.cost_model import measured_markdown

    _write(out, measured_markdown(probe, bench, shape))


@app.command()
def break_even(
    out: Annotated[Path, typer.Option(help="PNG or PDF to write")],
    machine: Annotated[
        str, typer.Option(help="Preset whose memory and products the map takes")
    ] = "h100-nvlink",
    probe: Annotated[list[Path] | None, typer.Option(help="Measured machines to mark")] = None,
) -> None:
    """Draw the projected break-even map."""
    from benchmarks.cost_model.machine import load_machine
    from reports.figures.break_even_map import break_even_map
    from reports.figures.style import paper

    measured_machines = [load_machine(str(path)) for path in probe or []]
    out.parent.mkdir(parents=True, exist_ok=True)
    with paper():
        break_even_map(load_machine(machine), measured_machines).savefig(out)
    typer.echo(out)


def _write(out: Path, text: str) -> None:
    write_atomically(out, text)
    typer.echo(text)


if __name__ == "__main__":
    run_app(app)
