"""What `gpu_engine` measures: model sizes, plans, batches, contexts and modes. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks.cost_model.model_shapes import SHAPES, ModelShape
from cqil.plan import LayerPlan, dense_plan, uniform_plan

SIZES = {
    "tiny": ModelShape(
        name="tiny",
        layers=16,
        hidden=64,
        intermediate=128,
        heads=4,
        kv_heads=4,
        vocabulary=32000,
    ),
    "1.3B": SHAPES["Sheared-LLaMA-1.3B"],
    "7B": SHAPES["LLaMA-7B"],
    "13B": SHAPES["LLaMA-13B"],
    "33B": SHAPES["LLaMA-33B"],
}
"""Size, as `--sizes` names it -> shape; `tiny` is for tests."""
BATCHES = (1, 8)
CONTEXTS = (128, 2048)
"""Tokens of the prompt."""
TINY_CONTEXTS = (16,)
COMPILED_SIZES, COMPILED_BATCH, COMPILED_CONTEXT = ("1.3B", "7B"), 1, 128
"""What is compiled as well; compilation takes a minute for each plan."""
GpuMode = Literal["eager", "cuda_graph", "compiled", "generate"]
"""How the engine runs decode steps; `generate` is that of Transformers."""


@dataclass(frozen=True)
class GpuSetting:
    """One measurement."""

    size: str
    plan: LayerPlan
    batch: int
    context: int
    mode: GpuMode

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.size}-{self.plan.slug}-b{self.batch}-c{self.context}-{self.mode}"


def gpu_settings(sizes: list[str], device: str) -> Iterator[GpuSetting]:
    """All settings of some sizes; those that share weights come one after another."""
    for size in sizes:
        contexts = TINY_CONTEXTS if size == "tiny" else CONTEXTS
        plans = _plans(SIZES[size].layers)
        for plan in plans:
            for batch in BATCHES:
                for context in contexts:
                    for mode in _modes(size, batch, context, device):
                        yield GpuSetting(size, plan, batch, context, mode)
        yield GpuSetting(size, plans[0], BATCHES[0], contexts[0], "generate")


def _plans(layers: int) -> list[LayerPlan]:
    """Dense, and groups of 2, 4 and 8 layers over the middle half of the stack."""
    start, end = layers // 4, layers // 4 + layers // 2 // 8 * 8
    grouped = (uniform_plan(layers, start, end, group_size) for group_size in (2, 4, 8))
    return [dense_plan(layers), *grouped]


def _modes(size: str, batch: int, context: int, device: str) -> list[GpuMode]:
    modes: list[GpuMode] = ["eager", "cuda_graph"] if device == "cuda" else ["eager"]
    if size in COMPILED_SIZES and (batch, context) == (COMPILED_BATCH, COMPILED_CONTEXT):
        modes.append("compiled")
    return modes
