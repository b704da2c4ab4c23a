"""A variant: a model's manifest plus the plan that a method chose, and why it chose it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.config import parse_method
from benchmarks.files import read_json, sha256_file, write_json
from benchmarks.record import Model
from cqil.exits import Exit
from cqil.method import Evidence, Merge, Similarity
from cqil.plan import LayerPlan
from cqil.schedule import Schedule


@dataclass(frozen=True)
class Variant:
    """What measurements need of a variant's manifest."""

    name: str
    method: str
    plan: LayerPlan
    manifest: dict[str, Any]
    """The manifest of the model that the plan is for."""
    merges: tuple[Merge, ...] = ()
    """Layers that take in others before the plan runs."""
    schedule: Schedule | None = None
    """Plans that follow one another while decoding, where `plan` does not serve every token."""
    exits: Exit | None = None
    """When decoded tokens leave the plan's stages early."""

    def result_fields(self) -> dict[str, Any]:
        """The fields of a result that say what was measured."""
        return {
            "variant": self.name,
            "method": self.method,
            "plan": self.plan.to_dict(),
            "slug": self.plan.slug,
            "exits": None if self.exits is None else self.exits.to_dict(),
            "model": Model(**{key: self.manifest[key] for key in Model.model_fields}),
        }


def write_variant(
    name: str,
    options: dict[str, Any],
    model: Path,
    similarity: Path | None,
    search: Path | None,
    out: Path,
    budget: dict[str, Any] | None = None,
) -> LayerPlan:
    """Chooses the plan and writes the variant's manifest: plan, model, and the evidence.

    `budget`: what the depth among the options was predicted from, if it was.
    """
    method = parse_method(f"variants.{name}", options)
    manifest = read_json(model)
    found = None if search is None else read_json(search)
    evidence = Evidence(
        num_layers=manifest["num_layers"],
        similarity=None if similarity is None else Similarity.from_dict(read_json(similarity)),
        found=found,
    )
    plan = method.plan(evidence)
    merges, schedule = method.merges(evidence), method.schedule(evidence)
    exits = method.exits(evidence)
    data = {
        "variant": name,
        "method": method.method,
        "family": method.family,
        "options": options,
        "budget": budget,
        "slug": plan.slug,
        "depth": plan.depth,
        "plan": plan.to_dict(),
        "merges": [asdict(merge) for merge in merges],
        "schedule": None if schedule is None else schedule.to_dict(),
        "exits": None if exits is None else exits.to_dict(),
        "model": manifest,
        "similarity_sha256": None if similarity is None else sha256_file(similarity),
        "search": found,
    }
    write_json(out, data)
    return plan


def read_variant(path: Path) -> Variant:
    data = read_json(path)
    plan = LayerPlan.from_dict(data["plan"])
    merges = tuple(Merge(m["into"], tuple(m["taken"]), m["rule"]) for m in data["merges"])
    schedule = None if data["schedule"] is None else Schedule.from_dict(data["schedule"])
    exits = None if data["exits"] is None else Exit.from_dict(data["exits"])
    return Variant(data["variant"], data["method"], plan, data["model"], merges, schedule, exits)
