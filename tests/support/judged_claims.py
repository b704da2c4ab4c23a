"""Claims that are judged on results made up for them."""

from __future__ import annotations

from made_up_results import LAYERS, VARIANTS, MadeUpRun

from benchmarks.results.result_schema import read_result, write_result
from cqil.plan import uniform_plan
from reports.claims.checks import judge
from reports.claims.evidence import ClaimEvidence
from reports.claims.registry import load_publications
from reports.data.load_results import load_results
from reports.estimates.estimates import Estimates

CLAIMS = {claim.id: claim for work in load_publications() for claim in work.claims}
PAIRS = uniform_plan(LAYERS, 2, 6, 2)
GROUPS = {"groups": ("cqil", "uniform", {}, PAIRS)}


def made_up_run(folder, variants, losses):
    """Fills the folder with dense and these variants, each with a loss in nats a token."""
    losses = {"dense": 3.0} | dict(zip(variants, losses, strict=True))
    return MadeUpRun({"dense": VARIANTS["dense"]} | variants, losses).fill(folder)


def verdict(folder, claim, **given):
    """What a check finds in the folder, with other arguments for some of its own."""
    claim = CLAIMS[claim]
    claim = claim.model_copy(update={"given": claim.given | given})
    return judge(claim, ClaimEvidence(Estimates(load_results(folder)), CLAIMS))


def timed(folder, name, backend, seconds):
    """Overwrites the times of one variant on one backend."""
    path = folder / "latency" / backend / "b1-p8" / f"{name}.json"
    result = read_result(path)
    samples = [
        [seconds * (1 + number / 100) for _ in steps] for number, steps in enumerate(result.samples)
    ]
    write_result(path, result.model_copy(update={"samples": samples}))
