"""The engine's bench as tables: `python -m reports.bench FILE --out FILE.md`.

Every ratio is of medians over rounds in which both arms ran, with a bootstrap interval.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from pydantic import ValidationError

from benchmarks.files import write_atomically
from benchmarks.record import ArmRecord, Bench
from benchmarks.statistics import Bootstrap, Estimate
from cqil.commands import run

QUESTIONS = [
    ("engine over generate of Transformers, dense", "transformers-generate", "engine-dense"),
    ("pairs over dense, one device", "engine-dense", "engine-cqil-p2"),
    ("fours over dense, one device", "engine-dense", "engine-cqil-p4"),
    ("two ranks: pairs over tensor parallel", "tp2", "cqil-p2"),
    ("the same, sums in a star", "tp2-star", "cqil-p2-star"),
    ("the same, no communication (bound)", "tp2-silent", "cqil-p2-silent"),
    ("two ranks: pairs over pairs inside tensor parallel", "tp2-layer-parallel", "cqil-p2"),
    ("tensor parallel: pairs inside over dense", "tp2", "tp2-layer-parallel"),
    ("tensor parallel: attention beside MLP over dense", "tp2", "tp2-parallel-attention"),
    ("tensor parallel: a ladder over dense", "tp2", "tp2-ladder"),
    ("layers outside of groups: replicated over first rank", "cqil-p2", "cqil-p2-replicated"),
    ("layers outside of groups: sharded over first rank", "cqil-p2", "cqil-p2-sharded"),
    ("two ranks: bypass 1 over none", "cqil-p2", "cqil-p2-d1"),
]
"""(what, slower arm, faster arm): above 1 where the second is faster."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def draw(
    file: Annotated[Path, typer.Argument(help="What `make bench` has written")],
    out: Annotated[Path, typer.Option(help="Markdown file to write")],
) -> None:
    """Write a bench as Markdown tables, and print them."""
    try:
        bench = Bench.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{file}: is no bench ({reason}); run make bench") from None
    text = "\n".join(_lines(bench)) + "\n"
    write_atomically(out, text)
    typer.echo(text)


def _lines(bench: Bench) -> Iterator[str]:
    rounds = {arm.name: round_medians(arm) for arm in bench.arms}
    bootstrap = Bootstrap(confidence=0.95, resamples=9999, seed=bench.provenance.seed)
    hardware, work = bench.provenance.hardware, bench.workload
    yield f"# Engine, {bench.model.name}, {bench.provenance.created[:10]}\n"
    yield (
        f"{hardware.cores} cores of {hardware.cpu}, {', '.join(hardware.accelerators) or 'no GPU'}"
        f"; {bench.provenance.dtype}; batch {work['batch']}, prompt {work['prompt_tokens']}, "
        f"{work['new_tokens']} decoded tokens a run, {work['rounds']} rounds, all arms "
        f"interleaved; one-device arms {bench.provenance.threads} threads, ranks 1 thread each; "
        f"commit {bench.provenance.commit}. Intervals: 95 % bootstrap over rounds.\n"
    )
    yield pd.DataFrame(_arms(bench, rounds, bootstrap)).to_markdown(index=False)
    yield "\n## Decode speed, one arm over another\n"
    yield pd.DataFrame(_ratios(rounds, bootstrap)).to_markdown(index=False)
    yield from _composition(bench, rounds, bootstrap)
    yield from _memory(bench)


def round_medians(arm: ArmRecord) -> np.ndarray:
    """Seconds of a decode step: the median of each round."""
    frame = pd.DataFrame([sample.model_dump() for sample in arm.samples])
    return frame[frame["phase"] == "decode"].groupby("round")["seconds"].median().to_numpy()


def _arms(
    bench: Bench, rounds: dict[str, np.ndarray], bootstrap: Bootstrap
) -> Iterator[dict[str, object]]:
    for arm in bench.arms:
        messages = [entry for rank in arm.ranks[:1] for entry in rank.decode_messages]
        yield {
            "arm": arm.name,
            "plan": arm.slug,
            "depth": f"{arm.depth:g}",
            "ranks": len(arm.ranks) or 1,
            "ms a token": _spelt(bootstrap.median(1e3 * rounds[arm.name])),
            "messages a token, rank 0": sum(count for *_, count in messages),
            "bytes": sum(size * count for _, _, size, count in messages),
        }


def _ratios(rounds: dict[str, np.ndarray], bootstrap: Bootstrap) -> Iterator[dict[str, str]]:
    for what, slower, faster in QUESTIONS:
        if slower in rounds and faster in rounds:
            ratio = bootstrap.ratio_of_medians(rounds[slower], rounds[faster])
            yield {"": what, "arms": f"{slower} / {faster}", "times as fast": _spelt(ratio)}


def _composition(
    bench: Bench, rounds: dict[str, np.ndarray], bootstrap: Bootstrap
) -> Iterator[str]:
    """Is a two-rank step its slowest rank's compute plus what its messages cost?"""
    arms = {arm.name: arm for arm in bench.arms}
    if not bench.message_seconds:
        return
    yield "\n## Where a two-rank step goes\n"
    rows = []
    for name, seconds in bench.message_seconds.items():
        cost = float(np.median(seconds))
        messages = sum(count for *_, count in arms[name].ranks[0].decode_messages)
        compute = rounds[f"{name}-silent"]
        measured = float(np.median(rounds[name]))
        expected = float(np.median(compute)) + messages * cost
        rows.append(
            {
                "arm": name,
                "measured ms": f"{1e3 * measured:.2f}",
                "compute alone ms": _spelt(bootstrap.median(1e3 * compute)),
                "messages": messages,
                "us a message under load": f"{1e6 * cost:.0f}",
                "compute + messages ms": f"{1e3 * expected:.2f}",
                "measured / expected": f"{measured / expected:.2f}",
            }
        )
    yield pd.DataFrame(rows).to_markdown(index=False)


def _memory(bench: Bench) -> Iterator[str]:
    rows = [
        {
            "arm": arm.name,
            "rank": rank,
            "weights and cache MB": f"{(held.weight_bytes + held.cache_bytes) / 1e6:.0f}",
            "peak MB": f"{held.peak_bytes / 1e6:.0f}",
            "peak / held": f"{held.peak_bytes / (held.weight_bytes + held.cache_bytes):.2f}",
        }
        for arm in bench.arms
        for rank, held in enumerate(arm.ranks)
        if held.peak_bytes is not None
    ]
    if rows:
        yield "\n## Peak memory while loading and generating\n"
        yield pd.DataFrame(rows).to_markdown(index=False)


def _spelt(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


if __name__ == "__main__":
    run(app)
