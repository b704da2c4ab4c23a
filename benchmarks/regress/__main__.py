"""`python -m benchmarks.regress gate|experiment`: is the working tree worse than a base revision?

Exit code 0: it is not; 1: a count grew or a time is above its limit; 2: bad input.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.regress.compare_counts import compare_counts
from benchmarks.regress.compare_times import compare_times
from benchmarks.regress.gate_experiment import run_experiment
from benchmarks.regress.gate_record import GateEffort, GateResult
from benchmarks.regress.interval_rule import Limits
from benchmarks.regress.revisions import commit_of, default_base, unpacked
from benchmarks.regress.terminal_tables import print_gate_result
from benchmarks.results.files import write_json
from benchmarks.results.provenance import ROOT, provenance
from cqil.cli.run_app import run_app

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)
DEFAULT = GateEffort()

Pairs = Annotated[int, typer.Option(min=2, help="Minimum number of pairs of processes")]
MaxPairs = Annotated[int, typer.Option(min=2, help="Maximum number of pairs of processes")]
Rounds = Annotated[int, typer.Option(min=5, help="Rounds of a pair")]
Budget = Annotated[float, typer.Option(help="Seconds after which no pair is added")]
Threads = Annotated[int, typer.Option(min=1, help="PyTorch threads")]
Device = Annotated[str, typer.Option(help="cpu or cuda")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of orders and intervals")]
DefaultLimit = Annotated[float, typer.Option(help="How much slower is a regression, as a share")]


@app.command()
def gate(
    base: Annotated[str, typer.Option(help="Revision; default: where the branch left main")] = "",
    default_limit: DefaultLimit = 0.05,
    limit: Annotated[list[str], typer.Option(help="NAME=SHARE of one benchmark")] = [],  # noqa: B006
    accept: Annotated[list[str], typer.Option(help="Counts that may grow; * is allowed")] = [],  # noqa: B006
    counts: Annotated[bool, typer.Option(help="Compare exact counts")] = True,
    times: Annotated[bool, typer.Option(help="Compare times")] = True,
    out: Annotated[Path | None, typer.Option(help="File to write counts and samples to")] = None,
    pairs: Pairs = DEFAULT.pairs,
    max_pairs: MaxPairs = DEFAULT.max_pairs,
    rounds: Rounds = DEFAULT.rounds,
    budget: Budget = DEFAULT.budget_s,
    threads: Threads = DEFAULT.threads,
    device: Device = DEFAULT.device,
    seed: Seed = DEFAULT.seed,
) -> None:
    """Compare the working tree with a base revision."""
    effort = _effort(pairs, max_pairs, rounds, budget, threads, device, seed)
    limits = Limits(default_limit, limit)
    commit = commit_of(base) if base else default_base()
    with unpacked(commit) as tree:
        result = GateResult(
            base=commit,
            effort=effort,
            provenance=provenance(device, "float32", threads, seed),
            counts=compare_counts(tree, ROOT, accept) if counts else [],
            times=compare_times(tree, ROOT, effort, limits) if times else [],
        )
    if out is not None:
        write_json(out, result.model_dump(), compact=True)
    print_gate_result(result, Console())
    raise typer.Exit(1 if result.failures else 0)


@app.command()
def experiment(
    out: Annotated[Path, typer.Option(help="File to write, or to continue")],
    gates: Annotated[int, typer.Option(min=1, help="Trials of each kind")] = 40,
    slowdown: Annotated[float, typer.Option(min=0.001, help="Share of a decode step")] = 0.15,
    default_limit: DefaultLimit = 0.05,
    pairs: Pairs = DEFAULT.pairs,
    max_pairs: MaxPairs = DEFAULT.max_pairs,
    rounds: Rounds = DEFAULT.rounds,
    budget: Budget = DEFAULT.budget_s,
    threads: Threads = DEFAULT.threads,
    device: Device = DEFAULT.device,
    seed: Seed = DEFAULT.seed,
) -> None:
    """Count false alarms on equal code, and how often an injected slowdown is caught."""
    effort = _effort(pairs, max_pairs, rounds, budget, threads, device, seed)
    Limits(default_limit)
    print(run_experiment(gates, slowdown, default_limit, effort, out))


def _effort(
    pairs: int, max_pairs: int, rounds: int, budget: float, threads: int, device: str, seed: int
) -> GateEffort:
    """Raises ValueError for an unknown device, max-pairs below pairs, and no time budget."""
    if device not in ("cpu", "cuda"):
        raise ValueError(f"device: {device!r} is unknown; use cpu or cuda")
    if max_pairs < pairs:
        raise ValueError(f"max-pairs: {max_pairs} is less than pairs, {pairs}; raise it")
    if budget <= 0:
        raise ValueError(f"budget: {budget} s is no time; use more than 0")
    return GateEffort(
        pairs=pairs,
        max_pairs=max_pairs,
        rounds=rounds,
        budget_s=budget,
        threads=threads,
        device=device,
        seed=seed,
    )


if __name__ == "__main__":
    run_app(app)
