"""How much hardware a backend takes: GPUs, or cores of one machine that its ranks share."""

from __future__ import annotations

from benchmarks.results.result_schema import LatencyResult
from reports.data.results import ReportedVariant, Results


def device_unit(results: Results) -> str:
    """`GPU` or `core`: what device-seconds of this run count."""
    devices = {record.provenance.device for record in results.latency_records}
    return "core" if devices == {"cpu"} else "GPU"


def devices_taken(record: LatencyResult) -> int:
    """GPUs, one a rank; on CPU the cores that all ranks compute on."""
    ranks = record.backend.ranks
    return ranks if record.provenance.device != "cpu" else ranks * record.provenance.threads


def has_whole_devices(results: Results, backend: str) -> bool:
    """Whether each of its ranks has as much hardware as one device has.

    On CPU ranks share the cores of the machine, so that depth alone cannot give its speed-up.
    """
    records = results.timed_by_backend
    record = records[backend]
    if record.provenance.device != "cpu":
        return True
    alone = records.get(record.backend.reference, record)
    return record.provenance.threads >= alone.provenance.threads


def depth_can_show(results: Results, variant: ReportedVariant) -> bool:
    """Whether something was timed on which the depth alone could give its speed-up.

    Groups need a whole device for each member.
    """
    size = variant.plan.max_group_size
    return size == 1 or any(
        record.backend.ranks >= size and has_whole_devices(results, backend)
        for backend, record in results.timed_by_backend.items()
    )
