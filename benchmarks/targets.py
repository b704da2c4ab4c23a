"""The result files of a run: the workflow builds them, the report lists those that are missing."""

from __future__ import annotations

from benchmarks.config.run_config import RunConfig
from benchmarks.latency.targets import latency_targets
from benchmarks.results.schema_parts import RunRecord, Target


def run_record(config: RunConfig) -> RunRecord:
    """The run of a configuration. Raises ValueError with one line for an unknown backend."""
    latency = config.latency
    timed_targets = latency_targets(config.variants, latency) if latency else []
    groups = {
        "perplexity": ["perplexity"],
        "multiple_choice": [f"multiple_choice/{suite}" for suite in config.multiple_choice],
        "generation": [f"generation/{task}" for task in config.generation.tasks],
    }
    targets = [
        Target(kind=kind, group=group, variant=variant)
        for kind, kind_groups in groups.items()
        for group in kind_groups
        for variant in config.variants
    ]
    targets += [
        Target(kind="latency", group=f"latency/{target.group}", variant=target.variant)
        for target in timed_targets
    ]
    backends = {target.backend.name: target.backend.record() for target in timed_targets}
    return RunRecord(
        config=config.model_dump(),
        backends=list(backends.values()),
        workloads=[workload.name for workload in latency.workloads] if latency else [],
        targets=targets,
    )
