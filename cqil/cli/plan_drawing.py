"""A plan as a drawing in the terminal: time runs down, layers that run together share a row."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cqil.plan import LayerPlan
from cqil.plan.stages import Stage, Stages


def draw_plan(plan: LayerPlan) -> RenderableType:
    """One row a stage, then depth, ideal speed-up and the layers left out."""
    parts: list[RenderableType] = [Text(plan.slug, style="bold")]
    if plan.prefill is not None:
        parts += [Text("prompt"), _stages(plan, plan.prefill), Text("generated tokens")]
    return Group(*parts, _stages(plan, plan.groups), *map(Text, _facts(plan)))


def _stages(plan: LayerPlan, stages: Stages) -> Table:
    table = Table(box=None, padding=(0, 1), show_header=False)
    for number, stage in enumerate(stages, 1):
        cells = Text(" ".join(f"[{member:>2}]" for member in stage))
        if len(stage) > 1:
            cells.stylize("bold cyan")
        table.add_row(f"{number:>3}", cells, _note(plan, stage))
    return table


def _note(plan: LayerPlan, stage: Stage) -> str:
    if plan.in_ladder(stage):
        return "ladder: each half misses the one before"
    if len(stage) == 1:
        return ""
    notes = {
        "ffn": f"bypass {plan.bypass}" if plan.bypass else "same input",
        "ffn+residual": f"bypass {plan.bypass}, residual too" if plan.bypass else "same input",
        "two-way": "every attention to every MLP",
        "mean": "increments averaged",
    }
    return notes[plan.bypass_target]


def _facts(plan: LayerPlan) -> list[str]:
    facts = [
        f"depth {plan.depth:g} of {plan.num_layers}, ideal speed-up x{plan.ideal_speedup:.2f} "
        "(depth only: a stage as fast as a layer)"
    ]
    if plan.prefill is not None:
        facts.append(f"prompt depth {len(plan.prefill)}: the first token comes from it")
    absent = sorted(set(range(plan.num_layers)) - set(plan.layers))
    if absent:
        verb = "skipped" if set(absent) & set(plan.stored_layers) else "removed"
        facts.append(f"{verb}: {', '.join(map(str, absent))}")
    return facts
