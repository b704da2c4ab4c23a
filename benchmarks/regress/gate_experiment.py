"""How often the timed gate is wrong: copies of the same code, the second slowed in half the trials.

    python -m benchmarks.regress experiment --gates 40 --slowdown 0.15 --out FILE

A trial that was written is not run again, so an experiment goes on where it was stopped.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from pydantic import ValidationError
from scipy import stats

from benchmarks.regress.compare_times import compare_times
from benchmarks.regress.gate_record import GateEffort, GateExperiment, GateTrial
from benchmarks.regress.interval_rule import Limits
from benchmarks.regress.revisions import commit_of, unpacked
from benchmarks.results.files import read_json, write_json
from benchmarks.results.provenance import provenance
from benchmarks.runtime.progress import Progress


def run_experiment(gates: int, slowdown: float, limit: float, effort: GateEffort, out: Path) -> str:
    """Runs `gates` trials of each kind in a random order; returns what they show in one line.

    Raises ValueError where `out` holds an experiment of another kind.
    """
    done = _resumed(out, slowdown, limit, effort)
    plan = list(_plan(gates, slowdown, effort.seed))
    with ExitStack() as stack, Progress("regress", len(plan), "gates") as progress:
        # Two folders, as in a gate, so that a path's length differs too.
        base, head = (stack.enter_context(unpacked(done.commit)) for _ in range(2))
        have = {(trial.number, trial.slowdown) for trial in done.trials}
        for number, slowed in plan:
            if (number, slowed) not in have:
                trial = _trial(number, slowed, limit, effort, base, head)
                done = done.model_copy(update={"trials": [*done.trials, trial]})
                write_json(out, done.model_dump())
            progress.update()
    return summary(done)


def _plan(gates: int, slowdown: float, seed: int) -> Iterator[tuple[int, float]]:
    """(number, slowdown): both kinds of a number one after the other, in a random order."""
    order = random.Random(seed)
    for number in range(gates):
        for slowed in order.sample([0.0, slowdown], 2):
            yield number, slowed


def _trial(
    number: int, slowdown: float, limit: float, effort: GateEffort, base: Path, head: Path
) -> GateTrial:
    began = time.monotonic()
    own = effort.model_copy(update={"seed": effort.seed + 1000 * number})
    times = compare_times(base, head, own, Limits(limit), slowdown)
    seconds = time.monotonic() - began
    return GateTrial(number=number, slowdown=slowdown, seconds=seconds, times=times)


def _resumed(out: Path, slowdown: float, limit: float, effort: GateEffort) -> GateExperiment:
    fresh = GateExperiment(
        commit=commit_of("HEAD"),
        effort=effort,
        limit=limit,
        slowdown=slowdown,
        provenance=provenance(effort.device, "float32", effort.threads, effort.seed),
        trials=[],
    )
    if not out.exists():
        return fresh
    found = read_experiment(out)
    for name in ("commit", "effort", "limit", "slowdown"):
        if getattr(found, name) != getattr(fresh, name):
            raise ValueError(
                f"{name}: differs from that of {out}; go on with it or name a new file"
            )
    if found.provenance.hardware != fresh.provenance.hardware:
        raise ValueError(f"hardware: {out} is of another machine; name a new file")
    return found


def read_experiment(path: Path) -> GateExperiment:
    """Raises ValueError where the file is none."""
    try:
        return GateExperiment.model_validate(read_json(path))
    except (OSError, ValueError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path}: is no experiment of the gate ({reason})") from None


def summary(experiment: GateExperiment) -> str:
    """Both rates with their exact (Clopper-Pearson) intervals, and what a gate costs."""
    same = [trial for trial in experiment.trials if not trial.slowdown]
    slowed = [trial for trial in experiment.trials if trial.slowdown]
    seconds = sorted(trial.seconds for trial in experiment.trials)
    return (
        f"false alarms {_rate(same, lambda trial: trial.alarm)}, "
        f"caught {_rate(slowed, lambda trial: trial.caught)} "
        f"of a slowdown of {experiment.slowdown:.0%} at a limit of {experiment.limit:.0%}; "
        f"a gate took {seconds[len(seconds) // 2]:.0f} s, at most {seconds[-1]:.0f} s; "
        f"{experiment.provenance.hardware.cpu}, {experiment.provenance.hardware.cores} cores"
    )


def _rate(trials: list[GateTrial], holds: Callable[[GateTrial], bool]) -> str:
    hits = sum(map(holds, trials))
    interval = stats.binomtest(hits, len(trials)).proportion_ci(method="exact")
    return f"{hits}/{len(trials)} (95 % CI {interval.low:.1%} to {interval.high:.1%})"
