"""What the PLAN argument of a command names: a plan, and what else a manifest says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cqil.edits.weight_edit import Edits, edits_from_dicts
from cqil.plan import LayerPlan
from cqil.plan.early_exit_rule import EarlyExitRule
from cqil.plan.schedule import Schedule


@dataclass(frozen=True)
class PlanSource:
    """A plan, which model it is for, and what happens beside it."""

    plan: LayerPlan
    model: str | None = None
    """Directory of the model, if the source tells it."""
    edits: Edits = ()
    """Changes of the weights that are made before the plan runs."""
    schedule: Schedule | None = None
    """Plans that follow one another in decoding; None where `plan` serves every token."""
    early_exit: EarlyExitRule | None = None
    """When decoded tokens leave the plan's stages early."""

    def check_constant(self) -> None:
        """Raises ValueError where decoded tokens run other layers than one plan says."""
        if self.schedule is not None or self.early_exit is not None:
            what = "a schedule of plans" if self.early_exit is None else "early exit"
            raise ValueError(
                f"plan: decodes under {what}, which no saved model holds; run it with cqil generate"
            )


def read_plan(text: str, num_layers: int | None) -> PlanSource:
    """What `text` names: a slug, a plan file, a variant's manifest, or a directory saved by build.

    `num_layers`: depth of the checkpoint, None where it is not known. Raises ValueError with one
    line where `text` names no plan, or one of another depth.
    """
    path = Path(text).expanduser()
    if (path / "config.json").is_file():
        source = PlanSource(_saved_plan(path), text)
    elif path.is_file():
        source = _of_file(path)
    elif num_layers is None:
        raise ValueError(f"plan: {text!r} is no file; with a slug give --layers or --model")
    else:
        source = PlanSource(LayerPlan.from_slug(text, num_layers))
    if num_layers is not None:
        source.plan.check_depth(num_layers)
    return source


def _of_file(path: Path) -> PlanSource:
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"plan: {path} is not JSON ({error})") from None
    manifest = data if isinstance(data, dict) and "plan" in data else {"plan": data}
    try:
        return _of_manifest(manifest)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"plan: {path} is neither a plan nor a variant's manifest ({error!r})"
        ) from None


def _of_manifest(manifest: dict[str, Any]) -> PlanSource:
    schedule, early_exit = manifest.get("schedule"), manifest.get("early_exit")
    # Results hold a plan too, but only a variant's manifest tells where the model lies.
    model = manifest.get("model")
    return PlanSource(
        plan=LayerPlan.from_dict(manifest["plan"]),
        model=model.get("path") if isinstance(model, dict) else None,
        edits=edits_from_dicts(manifest.get("edits") or ()),
        schedule=None if schedule is None else Schedule.from_dict(schedule),
        early_exit=None if early_exit is None else EarlyExitRule.from_dict(early_exit),
    )


def _saved_plan(folder: Path) -> LayerPlan:
    """The plan that `cqil build` saved a folder with."""
    from cqil.checkpoint.config_file import read_config

    plan: LayerPlan | None = getattr(read_config(folder), "layer_plan", None)
    if plan is None:
        raise ValueError(f"plan: {folder} is a dense checkpoint; give a plan, and it as --model")
    return plan
