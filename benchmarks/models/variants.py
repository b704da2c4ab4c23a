"""Manifests of variants: a model, the plan that a method chose, and the evidence for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.config.run_config import parse_method
from benchmarks.models.manifest import check_manifest, read_manifest
from benchmarks.results.files import read_json, sha256_file, write_json
from benchmarks.results.schema_parts import Model
from cqil.edits.weight_edit import Edits, edits_from_dicts
from cqil.methods.evidence import Evidence, LayerSimilarity
from cqil.methods.method import Parallelism
from cqil.plan import LayerPlan
from cqil.plan.early_exit_rule import EarlyExitRule
from cqil.plan.schedule import Schedule


@dataclass(frozen=True)
class Variant:
    """The parts of a variant's manifest that measurements need."""

    name: str
    method: str
    plan: LayerPlan
    manifest: dict[str, Any]
    """Manifest of the model that the plan is for."""
    edits: Edits = ()
    """Changes of the weights that are made before the plan runs."""
    schedule: Schedule | None = None
    """Plans that follow one another in decoding; None where `plan` serves every token."""
    early_exit: EarlyExitRule | None = None
    """When decoded tokens leave the plan's stages early; None where all tokens stay."""
    parallelism: Parallelism = "group"
    """How its method spreads a group of layers over ranks."""

    @property
    def depth_rule(self) -> EarlyExitRule | Schedule | None:
        """What gives each decoded token its own number of layers; None where all run the plan."""
        return self.early_exit or self.schedule

    def result_fields(self) -> dict[str, Any]:
        """Fields of a result that tell what was measured."""
        return {
            "variant": self.name,
            "method": self.method,
            "plan": self.plan.to_dict(),
            "slug": self.plan.slug,
            "early_exit": None if self.early_exit is None else self.early_exit.to_dict(),
            "schedule": None if self.schedule is None else self.schedule.to_dict(),
            "edits": [edit.to_dict() for edit in self.edits],
            "model": Model.of_manifest(self.manifest),
        }


def write_variant(
    name: str,
    options: dict[str, Any],
    model: Path,
    similarity: Path | None,
    search: Path | None,
    out: Path,
    budget: dict[str, Any] | None = None,
    healed: Path | None = None,
) -> LayerPlan:
    """Chooses the plan, and writes the variant's manifest: plan, model and evidence.

    `model`, `similarity` and `search` are JSON files. `budget` records the prediction behind a
    depth that a latency budget chose. `healed`: manifest of the same plan, whose edits are taken.
    """
    method = parse_method(f"variants.{name}", options)
    manifest = read_manifest(model)
    search_result = None if search is None else read_json(search)
    evidence = Evidence(
        num_layers=manifest["num_layers"],
        similarity=None if similarity is None else LayerSimilarity.from_dict(read_json(similarity)),
        search_result=search_result,
    )
    plan = method.plan(evidence)
    edits: Edits = method.merges(evidence)
    if healed is not None:
        edits = _healed_edits(healed, plan)
    schedule = method.schedule(evidence)
    early_exit = method.early_exit(evidence)
    data = {
        "variant": name,
        "method": method.method,
        "family": method.family,
        "parallelism": method.parallelism,
        "look": asdict(method.look),
        "options": options,
        "budget": budget,
        "slug": plan.slug,
        "depth": plan.depth,
        "plan": plan.to_dict(),
        "edits": [edit.to_dict() for edit in edits],
        "schedule": None if schedule is None else schedule.to_dict(),
        "early_exit": None if early_exit is None else early_exit.to_dict(),
        "model": manifest,
        "similarity_sha256": None if similarity is None else sha256_file(similarity),
        "search": search_result,
    }
    write_json(out, data)
    return plan


def _healed_edits(healed: Path, plan: LayerPlan) -> Edits:
    """Edits of a healed variant. Raises ValueError where it runs another plan."""
    variant = read_variant(healed)
    if variant.plan != plan:
        raise ValueError(
            f"healed: {healed} heals the plan {variant.plan.slug}, but this is {plan.slug}; heal "
            "this one"
        )
    return variant.edits


def read_variant(path: Path) -> Variant:
    """The variant of a manifest that `write_variant` wrote. Raises ValueError for another file."""
    try:
        variant = _parse_variant(read_json(path))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"variant: {path} is no manifest of a variant ({error!r}); write it again with `python "
            "-m benchmarks variant`"
        ) from None
    check_manifest(variant.manifest)
    return variant


def _parse_variant(data: dict[str, Any]) -> Variant:
    schedule, early_exit = data["schedule"], data["early_exit"]
    return Variant(
        name=data["variant"],
        method=data["method"],
        plan=LayerPlan.from_dict(data["plan"]),
        manifest=data["model"],
        edits=edits_from_dicts(data["edits"]),
        schedule=None if schedule is None else Schedule.from_dict(schedule),
        early_exit=None if early_exit is None else EarlyExitRule.from_dict(early_exit),
        parallelism=data["parallelism"],
    )
