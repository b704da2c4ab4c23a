"""How often the timed gate is wrong: two copies of one tree, the second slowed in half the trials.

    python -m benchmarks.regress experiment --gates 40 --slowdown 0.15 --out FILE

A trial that is in the file is not run again, so an experiment that was stopped continues.
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
    """Runs `gates` trials of each kind in a random order; returns the summary in one line.

    Raises ValueError where `out` holds an experiment with other settings.
    """
    experiment = _resume(out, slowdown, limit, effort)
    trial_order = list(_trial_order(gates, slowdown, effort.seed))
    with ExitStack() as stack, Progress("regress", len(trial_order), "gates") as progress:
        # Two folders, as in a gate, so that the lengths of their paths differ too.
        base, head = (stack.enter_context(unpacked(experiment.commit)) for _ in range(2))
        finished = {(trial.number, trial.slowdown) for trial in experiment.trials}
        for number, trial_slowdown in trial_order:
            if (number, trial_slowdown) not in finished:
                trial = _run_trial(number, trial_slowdown, limit, effort, base, head)
                trials = [*experiment.trials, trial]
                experiment = experiment.model_copy(update={"trials": trials})
                write_json(out, experiment.model_dump(), compact=True)
            progress.update()
    return summary(experiment)


def _trial_order(gates: int, slowdown: float, seed: int) -> Iterator[tuple[int, float]]:
    """(number, slowdown): both kinds of a number one after the other, in a random order."""
    rng = random.Random(seed)
    for number in range(gates):
        for trial_slowdown in rng.sample([0.0, slowdown], 2):
            yield number, trial_slowdown


def _run_trial(
    number: int, slowdown: float, limit: float, effort: GateEffort, base: Path, head: Path
) -> GateTrial:
    """One gate, with a seed of its own."""
    start = time.monotonic()
    trial_effort = effort.model_copy(update={"seed": effort.seed + 1000 * number})
    times = compare_times(base, head, trial_effort, Limits(limit), slowdown)
    seconds = time.monotonic() - start
    return GateTrial(number=number, slowdown=slowdown, seconds=seconds, times=times)


def _resume(out: Path, slowdown: float, limit: float, effort: GateEffort) -> GateExperiment:
    """The experiment in `out`, or a new one. Raises ValueError where their settings differ."""
    new = GateExperiment(
        commit=commit_of("HEAD"),
        effort=effort,
        limit=limit,
        slowdown=slowdown,
        provenance=provenance(effort.device, "float32", effort.threads, effort.seed),
        trials=[],
    )
    if not out.exists():
        return new
    resumed = read_experiment(out)
    for name in ("commit", "effort", "limit", "slowdown"):
        if getattr(resumed, name) != getattr(new, name):
            raise ValueError(
                f"{name}: differs from that of {out}; continue with it or name a new file"
            )
    if resumed.provenance.hardware != new.provenance.hardware:
        raise ValueError(f"hardware: {out} is of another machine; name a new file")
    return resumed


def read_experiment(path: Path) -> GateExperiment:
    """The experiment in a file. Raises ValueError for another kind of file."""
    try:
        return GateExperiment.model_validate(read_json(path))
    except (OSError, ValueError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path}: is no experiment of the gate ({reason})") from None


def summary(experiment: GateExperiment) -> str:
    """Both rates with their exact (Clopper-Pearson) intervals, and how long a gate takes."""
    equal_trials = [trial for trial in experiment.trials if not trial.slowdown]
    slowed_trials = [trial for trial in experiment.trials if trial.slowdown]
    seconds = sorted(trial.seconds for trial in experiment.trials)
    return (
        f"false alarms {_rate(equal_trials, lambda trial: trial.alarm)}, "
        f"caught {_rate(slowed_trials, lambda trial: trial.caught)} "
        f"of a slowdown of {experiment.slowdown:.0%} at a limit of {experiment.limit:.0%}; "
        f"a gate took {seconds[len(seconds) // 2]:.0f} s, at most {seconds[-1]:.0f} s; "
        f"{experiment.provenance.hardware.cpu}, {experiment.provenance.hardware.cores} cores"
    )


def _rate(trials: list[GateTrial], condition: Callable[[GateTrial], bool]) -> str:
    """How many trials meet the condition, with the interval of that rate."""
    hits = sum(map(condition, trials))
    interval = stats.binomtest(hits, len(trials)).proportion_ci(method="exact")
    return f"{hits}/{len(trials)} (95 % CI {interval.low:.1%} to {interval.high:.1%})"
