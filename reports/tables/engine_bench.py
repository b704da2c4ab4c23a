"""The engine's bench as Markdown tables (`python -m reports bench`).

Every ratio is of medians over rounds in which both systems ran, with a bootstrap interval.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.results.engine_bench_record import EngineBench
from benchmarks.results.statistics import Bootstrap, Estimate
from reports.estimates.engine_bench import NO_COMMUNICATION, decode_seconds

QUESTIONS = [
    ("engine over generate of Transformers, dense", "transformers-generate", "engine-dense"),
    ("pairs over dense, one device", "engine-dense", "engine-cqil-p2"),
    ("fours over dense, one device", "engine-dense", "engine-cqil-p4"),
    ("two ranks: pairs over tensor parallel", "tp2", "cqil-p2"),
    ("the same, sums in a star", "tp2-star", "cqil-p2-star"),
    ("the same, no communication (bound)", "tp2-no-communication", "cqil-p2-no-communication"),
    ("two ranks: pairs over pairs inside tensor parallel", "tp2-layer-parallel", "cqil-p2"),
    ("tensor parallel: pairs inside over dense", "tp2", "tp2-layer-parallel"),
    ("tensor parallel: attention beside MLP over dense", "tp2", "tp2-parallel-attention"),
    ("tensor parallel: a ladder over dense", "tp2", "tp2-ladder"),
    ("layers outside of groups: replicated over first rank", "cqil-p2", "cqil-p2-replicate"),
    ("layers outside of groups: sharded over first rank", "cqil-p2", "cqil-p2-shard"),
    ("two ranks: bypass 1 over none", "cqil-p2", "cqil-p2-d1"),
]
"""(what, slower system, faster system): above 1 where the second is faster."""


def bench_markdown(bench: EngineBench) -> str:
    """The bench as Markdown tables."""
    return "\n".join(_lines(bench)) + "\n"


def _lines(bench: EngineBench) -> Iterator[str]:
    rounds = {system.name: decode_seconds(system) for system in bench.systems}
    bootstrap = Bootstrap(confidence=0.95, resamples=9999, seed=bench.provenance.seed)
    hardware, work = bench.provenance.hardware, bench.workload
    yield f"# Engine, {bench.model.name}, {bench.provenance.created[:10]}\n"
    yield (
        f"{hardware.cores} cores of {hardware.cpu}, {', '.join(hardware.accelerators) or 'no GPU'}"
        f"; {bench.provenance.dtype}; batch {work['batch']}, prompt {work['prompt_tokens']}, "
        f"{work['new_tokens']} decoded tokens a run, {work['rounds']} rounds, all systems "
        f"interleaved; one-device systems {bench.provenance.threads} threads, ranks 1 thread each; "
        f"commit {bench.provenance.commit}. Intervals: 95 % bootstrap over rounds.\n"
    )
    yield pd.DataFrame(_systems(bench, rounds, bootstrap)).to_markdown(index=False)
    yield "\n## Decode speed, one system over another\n"
    yield pd.DataFrame(_ratios(rounds, bootstrap)).to_markdown(index=False)
    yield from _composition(bench, rounds, bootstrap)
    yield from _memory(bench)


def _systems(
    bench: EngineBench, rounds: dict[str, np.ndarray], bootstrap: Bootstrap
) -> Iterator[dict[str, object]]:
    for system in bench.systems:
        messages = [entry for rank in system.ranks[:1] for entry in rank.decode_messages]
        yield {
            "system": system.name,
            "plan": system.slug,
            "depth": f"{system.depth:g}",
            "ranks": len(system.ranks) or 1,
            "ms a token": _spelt(bootstrap.median(1e3 * rounds[system.name])),
            "messages a token, rank 0": sum(count for *_, count in messages),
            "bytes": sum(size * count for _, _, size, count in messages),
        }


def _ratios(rounds: dict[str, np.ndarray], bootstrap: Bootstrap) -> Iterator[dict[str, str]]:
    for what, slower, faster in QUESTIONS:
        if slower in rounds and faster in rounds:
            ratio = bootstrap.ratio_of_medians(rounds[slower], rounds[faster])
            yield {"": what, "systems": f"{slower} / {faster}", "times as fast": _spelt(ratio)}


def _composition(
    bench: EngineBench, rounds: dict[str, np.ndarray], bootstrap: Bootstrap
) -> Iterator[str]:
    """Is a two-rank step its slowest rank's compute plus what its messages cost?"""
    systems = {system.name: system for system in bench.systems}
    if not bench.message_seconds:
        return
    yield "\n## Where a two-rank step goes\n"
    rows = []
    for name, seconds in bench.message_seconds.items():
        cost = float(np.median(seconds))
        messages = sum(count for *_, count in systems[name].ranks[0].decode_messages)
        compute = rounds[f"{name}{NO_COMMUNICATION}"]
        measured = float(np.median(rounds[name]))
        expected = float(np.median(compute)) + messages * cost
        rows.append(
            {
                "system": name,
                "measured ms": f"{1e3 * measured:.2f}",
                "compute alone ms": _spelt(bootstrap.median(1e3 * compute)),
                "messages": messages,
                "us a message under load": f"{1e6 * cost:.0f}",
                "compute + messages ms": f"{1e3 * expected:.2f}",
                "measured / expected": f"{measured / expected:.2f}",
            }
        )
    yield pd.DataFrame(rows).to_markdown(index=False)


def _memory(bench: EngineBench) -> Iterator[str]:
    rows = [
        {
            "system": system.name,
            "rank": rank,
            "weights and cache MB": f"{(held.weight_bytes + held.cache_bytes) / 1e6:.0f}",
            "peak MB": f"{held.peak_bytes / 1e6:.0f}",
            "peak / held": f"{held.peak_bytes / (held.weight_bytes + held.cache_bytes):.2f}",
        }
        for system in bench.systems
        for rank, held in enumerate(system.ranks)
        if held.peak_bytes is not None
    ]
    if rows:
        yield "\n## Peak memory while loading and generating\n"
        yield pd.DataFrame(rows).to_markdown(index=False)


def _spelt(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
