"""`python -m benchmarks.microbenchmarks.compare OLD NEW`: compares two files of pytest-benchmark.

Exit code 1: the whole interval of a benchmark lies above its limit; 2: bad input. Files are made by
`pytest benchmarks/microbenchmarks/bench_engine.py --benchmark-only --benchmark-json FILE`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from benchmarks.regress.interval_rule import Limits, ratio
from benchmarks.results.files import read_json
from cqil.cli.run_app import run_app

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
File = Annotated[Path, typer.Argument(help="File that --benchmark-json has written")]


@app.command(help=__doc__)
def compare(
    old: File,
    new: File,
    default_limit: Annotated[float, typer.Option(help="How much slower, as a share")] = 0.05,
    limit: Annotated[list[str], typer.Option(help="NAME=SHARE of one benchmark")] = [],  # noqa: B006
    paired: Annotated[bool, typer.Option(help="Rounds of equal number ran side by side")] = False,
) -> None:
    """Prints the ratio of medians of each benchmark, its interval, its limit and the verdict."""
    limits, before, after = Limits(default_limit, limit), _read(old), _read(new)
    if before.machine != after.machine:
        raise ValueError(
            f"machine: {old} is of {before.machine}, {new} of {after.machine}; measure both on one"
        )
    names = [name for name in after.rounds if name in before.rounds]
    if not names:
        raise ValueError(f"benchmarks: {old} and {new} have none in common; compare other files")
    limits.check(names)
    failed = False
    for name in names:
        try:
            estimate = ratio([(before.rounds[name], after.rounds[name])], paired=paired)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        verdict = estimate.verdict(limits.of(name))
        failed |= verdict == "slower"
        print(
            f"{name}  {estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]  "
            f"limit {1 + limits.of(name):.3f}  {verdict}"
        )
    for name in sorted(before.rounds.keys() ^ after.rounds.keys()):
        print(f"{name}  only in {old if name in before.rounds else new}")
    raise typer.Exit(1 if failed else 0)


class BenchmarkFile(NamedTuple):
    """The content of one file of pytest-benchmark."""

    rounds: dict[str, list[float]]
    """Benchmark -> seconds by round."""
    machine: tuple[str | None, list[str] | None]
    """Name of the processor, and accelerators."""


def _read(path: Path) -> BenchmarkFile:
    """Raises ValueError with one line for another kind of file, and for one without rounds."""
    try:
        data = read_json(path)
        machine = data["machine_info"]
        cpu_name = machine.get("cpu", {}).get("brand_raw")
        rounds = {row["fullname"]: row["stats"].get("data") for row in data["benchmarks"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"{path}: is no file of pytest-benchmark ({reason})") from None
    if not all(rounds.values()):
        raise ValueError(f"{path}: holds no rounds; write it by --benchmark-json")
    return BenchmarkFile(rounds, (cpu_name, machine.get("accelerators")))


if __name__ == "__main__":
    run_app(app)
