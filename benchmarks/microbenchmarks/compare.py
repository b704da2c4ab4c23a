"""`python -m benchmarks.microbenchmarks.compare OLD.json NEW.json`: two files of pytest-benchmark under limits.

Exit code 1 where a benchmark's whole interval lies above its limit, 2 for bad input. Files are made
by `pytest benchmarks/microbenchmarks/bench_engine.py --benchmark-only --benchmark-json FILE`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.regress.interval_rule import Limits, ratio
from benchmarks.results.files import read_json
from cqil.cli.run_app import run_app

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
File = Annotated[Path, typer.Argument(help="What --benchmark-json has written")]


@app.command(help=__doc__)
def compare(
    old: File,
    new: File,
    default_limit: Annotated[float, typer.Option(help="How much slower, as a share")] = 0.05,
    limit: Annotated[list[str], typer.Option(help="NAME=SHARE of one benchmark")] = [],  # noqa: B006
    paired: Annotated[bool, typer.Option(help="Rounds of equal number ran side by side")] = False,
) -> None:
    """One line a benchmark: the ratio of medians, its interval, its limit and the verdict."""
    limits, (before, after) = Limits(default_limit, limit), (_read(old), _read(new))
    if before["machine"] != after["machine"]:
        raise ValueError(
            f"machine: {old} is of {before['machine']}, {new} of {after['machine']}; "
            "measure both on one"
        )
    names = [name for name in after["rounds"] if name in before["rounds"]]
    if not names:
        raise ValueError(f"benchmarks: {old} and {new} have none in common; compare like with like")
    limits.check(names)
    failed = False
    for name in names:
        try:
            found = ratio([(before["rounds"][name], after["rounds"][name])], paired=paired)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        verdict = found.verdict(limits.of(name))
        failed |= verdict == "slower"
        print(
            f"{name}  {found.value:.3f} [{found.low:.3f}, {found.high:.3f}]  "
            f"limit {1 + limits.of(name):.3f}  {verdict}"
        )
    for name in sorted(before["rounds"].keys() ^ after["rounds"].keys()):
        print(f"{name}  only in {old if name in before['rounds'] else new}")
    raise typer.Exit(1 if failed else 0)


def _read(path: Path) -> dict[str, Any]:
    """Rounds by benchmark, seconds a round, and the machine. Raises ValueError for another file."""
    try:
        data = read_json(path)
        machine = data["machine_info"]
        rounds = {each["fullname"]: each["stats"].get("data") for each in data["benchmarks"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"{path}: is no file of pytest-benchmark ({reason})") from None
    if not all(rounds.values()):
        raise ValueError(f"{path}: holds no rounds; write it by --benchmark-json")
    hardware = machine.get("cpu", {}).get("brand_raw"), machine.get("accelerators")
    return {"rounds": rounds, "machine": hardware}


if __name__ == "__main__":
    run_app(app)
