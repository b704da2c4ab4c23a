"""The engine's bench as Markdown tables (`python -m reports bench`).

Every ratio is of medians over rounds in which both systems ran, with a bootstrap interval.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.results.engine_bench_record import NO_COMMUNICATION, EngineBench
from benchmarks.results.statistics import Bootstrap
from reports.data.number_format import with_interval
from reports.estimates.engine_bench import decode_seconds, message_count

COMPARISONS = [
    ("engine over generate of Transformers, dense", "transformers-generate", "engine-dense"),
    ("pairs over dense, one device", "engine-dense", "engine-cqil-p2"),
    ("fours over dense, one device", "engine-dense", "engine-cqil-p4"),
    ("two ranks: pairs over tensor parallel", "tp2", "cqil-p2"),
    ("two ranks: pairs over tensor parallel, sums in a star", "tp2-star", "cqil-p2-star"),
    (
        "two ranks: pairs over tensor parallel, no communication (bound)",
        f"tp2{NO_COMMUNICATION}",
        f"cqil-p2{NO_COMMUNICATION}",
    ),
    ("two ranks: pairs over pairs inside tensor parallel", "tp2-layer-parallel", "cqil-p2"),
    ("tensor parallel: pairs inside over dense", "tp2", "tp2-layer-parallel"),
    ("tensor parallel: attention beside MLP over dense", "tp2", "tp2-parallel-attention"),
    ("tensor parallel: a ladder over dense", "tp2", "tp2-ladder"),
    ("layers outside of groups: replicated over first rank", "cqil-p2", "cqil-p2-replicate"),
    ("layers outside of groups: sharded over first rank", "cqil-p2", "cqil-p2-shard"),
    ("two ranks: bypass 1 over none", "cqil-p2", "cqil-p2-d1"),
]
"""(what is compared, slower system, faster system): above 1 where the second is faster."""
RoundSeconds = dict[str, np.ndarray]
"""System -> [rounds] seconds of a decode step."""


def bench_markdown(bench: EngineBench) -> str:
    """The bench as Markdown tables."""
    return "\n".join(_lines(bench)) + "\n"


def _lines(bench: EngineBench) -> Iterator[str]:
    rounds = {system.name: decode_seconds(system) for system in bench.systems}
    bootstrap = Bootstrap(confidence=0.95, resamples=9999, seed=bench.provenance.seed)
    yield f"# Engine, {bench.model.name}, {bench.provenance.created[:10]}\n"
    yield f"{_setting(bench)}\n"
    yield _markdown(_system_rows(bench, rounds, bootstrap))
    yield "\n## Decode speed, one system over another\n"
    yield _markdown(_ratio_rows(rounds, bootstrap))
    if bench.message_seconds:
        yield "\n## Where a two-rank step goes\n"
        yield _markdown(_step_rows(bench, rounds, bootstrap))
    if memory := list(_memory_rows(bench)):
        yield "\n## Peak memory while loading and generating\n"
        yield _markdown(memory)


def _markdown(rows: Iterator[dict[str, object]] | list[dict[str, object]]) -> str:
    return pd.DataFrame(rows).to_markdown(index=False)


def _setting(bench: EngineBench) -> str:
    """What the bench ran on, and how."""
    provenance, workload = bench.provenance, bench.workload
    hardware = provenance.hardware
    return (
        f"{hardware.cores} cores of {hardware.cpu}, {', '.join(hardware.accelerators) or 'no GPU'}"
        f"; {provenance.dtype}; batch {workload['batch']}, prompt {workload['prompt_tokens']}, "
        f"{workload['new_tokens']} decoded tokens a run, {workload['rounds']} rounds, all systems "
        f"interleaved; one-device systems {provenance.threads} threads, ranks 1 thread each; "
        f"commit {provenance.commit}. Intervals: 95 % bootstrap over rounds."
    )


def _system_rows(
    bench: EngineBench, rounds: RoundSeconds, bootstrap: Bootstrap
) -> Iterator[dict[str, object]]:
    for system in bench.systems:
        yield {
            "system": system.name,
            "plan": system.slug,
            "depth": f"{system.depth:g}",
            "ranks": len(system.ranks) or 1,
            "ms a token": with_interval(bootstrap.median(1e3 * rounds[system.name]), _hundredths),
            "messages a token, rank 0": message_count(system),
            "bytes": sum(size * count for _, _, size, count in system.decode_messages),
        }


def _ratio_rows(rounds: RoundSeconds, bootstrap: Bootstrap) -> Iterator[dict[str, object]]:
    for what, slower, faster in COMPARISONS:
        if slower in rounds and faster in rounds:
            ratio = bootstrap.ratio_of_medians(rounds[slower], rounds[faster])
            yield {
                "": what,
                "systems": f"{slower} / {faster}",
                "times as fast": with_interval(ratio, _hundredths),
            }


def _step_rows(
    bench: EngineBench, rounds: RoundSeconds, bootstrap: Bootstrap
) -> Iterator[dict[str, object]]:
    """Is a two-rank step its slowest rank's computing plus what its messages cost?"""
    systems = {system.name: system for system in bench.systems}
    for name, seconds in bench.message_seconds.items():
        message_s = float(np.median(seconds))
        messages = message_count(systems[name])
        computing = rounds[f"{name}{NO_COMMUNICATION}"]
        measured_s = float(np.median(rounds[name]))
        expected_s = float(np.median(computing)) + messages * message_s
        yield {
            "system": name,
            "measured ms": _hundredths(1e3 * measured_s),
            "compute alone ms": with_interval(bootstrap.median(1e3 * computing), _hundredths),
            "messages": messages,
            "us a message under load": f"{1e6 * message_s:.0f}",
            "compute + messages ms": _hundredths(1e3 * expected_s),
            "measured / expected": _hundredths(measured_s / expected_s),
        }


def _memory_rows(bench: EngineBench) -> Iterator[dict[str, object]]:
    """What each rank holds, and its peak where that was asked for."""
    for system in bench.systems:
        for number, rank in enumerate(system.ranks):
            if rank.peak_bytes is None:
                continue
            held_bytes = rank.weight_bytes + rank.cache_bytes
            yield {
                "system": system.name,
                "rank": number,
                "weights and cache MB": f"{held_bytes / 1e6:.0f}",
                "peak MB": f"{rank.peak_bytes / 1e6:.0f}",
                "peak / held": _hundredths(rank.peak_bytes / held_bytes),
            }


def _hundredths(value: float) -> str:
    return f"{value:.2f}"
