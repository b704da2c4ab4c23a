"""Latency of every variant on every backend, all interleaved in one session.

Workloads are timed one after another, on the same loaded models. A backend with an A/A control
times dense twice; the ratio of the two shows the noise.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch

from benchmarks.config.sections import AA_CONTROL, REFERENCE, LatencySection, Workload
from benchmarks.latency.backends.backend import TimingResources
from benchmarks.latency.interleaved_rounds import InterleavedTimes, random_prompt, run_interleaved
from benchmarks.latency.runners import TimedRunner
from benchmarks.latency.targets import LatencyTarget, latency_targets
from benchmarks.models.manifest import open_manifest
from benchmarks.models.variants import Variant
from benchmarks.results.result_schema import LatencyResult
from benchmarks.results.schema_parts import MachineState
from benchmarks.runtime.device import Runtime
from benchmarks.runtime.errors import UnavailableError
from benchmarks.runtime.machine_monitor import MachineMonitor
from benchmarks.runtime.run_measurement import measured_once, run_measurement
from cqil.engine.parallel.worker_group import RankError


@dataclass(frozen=True)
class LatencySession:
    """The rounds of one workload, and the state of the machine while they ran."""

    times: InterleavedTimes
    layers: dict[str, float | None]
    """Key of a target -> mean layers of its decode steps; None if that is the depth of its plan."""
    weight_bytes: dict[str, list[int]]
    """Key of a target -> bytes of weights that each rank holds."""
    machine_state: MachineState


def measure_latency(
    variants: list[Variant], section: LatencySection, runtime: Runtime
) -> list[LatencyResult]:
    """One result for each workload, backend and variant, A/A controls included.

    Raises ValueError if the variants are of different models.
    """
    if len({variant.manifest["sha256"] for variant in variants}) != 1:
        raise ValueError("variants: are of different models; measure those of one model together")
    by_name = _by_name(variants)
    targets = latency_targets((variant.name for variant in variants), section)
    sessions = measured_once(lambda device: _sessions(targets, by_name, section, runtime, device))
    session_id = uuid.uuid4().hex

    def measure(target: LatencyTarget, device: str) -> dict[str, Any]:
        variant = by_name[target.variant]
        target.backend.check(variant, device)
        session = sessions(device)[target.workload.name]
        if isinstance(session, MemoryError):
            raise session
        return {
            "samples": session.times.samples[target.key],
            "layers": session.layers[target.key],
            "weight_bytes": session.weight_bytes[target.key],
            "layout": asdict(target.backend.layout(variant)),
            "stop_reason": session.times.stop_reason,
            "machine_state": session.machine_state,
        }

    return [
        run_measurement(
            LatencyResult,
            by_name[target.variant],
            target.workload.model_dump(),
            replace(runtime, threads=target.backend.threads(runtime)),
            partial(measure, target),
            backend=target.backend.record(),
            layout={},
            session=session_id,
        )
        for target in targets
    ]


def result_path(result: LatencyResult) -> str:
    """The path of its file: BACKEND/WORKLOAD/VARIANT.json."""
    return f"{result.backend.name}/{result.workload_name}/{result.variant}.json"


def _by_name(variants: list[Variant]) -> dict[str, Variant]:
    """Name -> variant, with the A/A control, which is dense under a second name."""
    by_name = {variant.name: variant for variant in variants}
    if REFERENCE in by_name:
        by_name[AA_CONTROL] = replace(by_name[REFERENCE], name=AA_CONTROL)
    return by_name


def _sessions(
    targets: list[LatencyTarget],
    by_name: dict[str, Variant],
    section: LatencySection,
    runtime: Runtime,
    device: str,
) -> dict[str, LatencySession | MemoryError]:
    """Workload -> its session, over all targets that this machine can run.

    If memory runs out, the workloads that are not measured yet have the error instead.
    """
    runnable = list(_runnable(targets, by_name, device))
    checkpoint = open_manifest(next(iter(by_name.values())).manifest)
    for workload in section.workloads:
        prompt, new = workload.prompt_tokens, workload.new_tokens
        what = f"latency.prompt_tokens: {prompt} and {new} new ones; lower them"
        checkpoint.check_context(prompt + new, what)
    model = checkpoint.config
    sessions: dict[str, LatencySession | MemoryError] = {}
    try:
        with ExitStack() as stack:
            resources = TimingResources(device, runtime, stack)
            runners = _load_runners(runnable, by_name, resources)
            for workload in section.workloads:
                session = _time_workload(
                    runners, runnable, workload, model.vocab_size, runtime.seed
                )
                sessions[workload.name] = session
    except (MemoryError, torch.OutOfMemoryError, RankError) as error:
        first_line = (str(error) or "no detail").splitlines()[0]
        if isinstance(error, RankError) and "MemoryError" not in first_line:
            raise
        failure = MemoryError(first_line)
        names = [workload.name for workload in section.workloads]
        return {name: sessions.get(name, failure) for name in names}
    return sessions


def _runnable(
    targets: list[LatencyTarget], by_name: dict[str, Variant], device: str
) -> Iterator[LatencyTarget]:
    """The targets that this machine can run."""
    for target in targets:
        with suppress(UnavailableError):
            target.backend.check(by_name[target.variant], device)
            yield target


def _load_runners(
    targets: list[LatencyTarget], by_name: dict[str, Variant], resources: TimingResources
) -> dict[str, TimedRunner]:
    """Key of a target -> loaded runner; all workloads share it."""
    runners: dict[str, TimedRunner] = {}
    for target in targets:
        if target.key not in runners:
            variant = by_name[target.variant]
            runners[target.key] = target.backend.start(target.key, variant, resources)
    return runners


def _time_workload(
    runners: dict[str, TimedRunner],
    targets: list[LatencyTarget],
    workload: Workload,
    vocabulary: int,
    seed: int,
) -> LatencySession:
    """Runs the rounds of one workload.

    Its precision is that of the ratios to dense on the reference backends.
    """
    references = {
        target.key: reference
        for target in targets
        if (reference := f"{target.backend.reference}/{REFERENCE}") in runners
        if reference != target.key
    }
    prompt_BT = random_prompt(vocabulary, workload.batch, workload.prompt_tokens, seed)
    with MachineMonitor() as monitor:
        times = run_interleaved(runners, prompt_BT, workload, seed, references)
    layers = {key: runner.layers_run(workload.new_tokens) for key, runner in runners.items()}
    weight_bytes = {key: runner.weight_bytes() for key, runner in runners.items()}
    return LatencySession(times, layers, weight_bytes, monitor.machine_state())
