"""A large made-up results folder: every variant of config/rules.yaml and a study of the bypass.

It has the size of a run of the default workload, with latencies on one device and on ranks.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from made_up_results import (
    BACKENDS,
    TEXTS,
    MadeUpVariant,
    choice_scores,
    result_fields,
    variant_manifest,
    variant_of,
    write_json,
)

from baselines.registry import methods
from benchmarks.config.run_config import RunConfig, parse_config
from benchmarks.results.result_schema import (
    LatencyResult,
    MultipleChoiceResult,
    MultipleChoiceSample,
    PerplexityResult,
    WindowSample,
    write_result,
)
from benchmarks.results.schema_parts import Model
from benchmarks.targets import run_record
from cqil.plan import LayerPlan, dense_plan, kept_layers_plan, uniform_plan

LAYERS = 30
MODEL = Model(name="thirty", sha256="ab" * 32, num_layers=LAYERS, note="Made up for a test.")
TASKS = {"arc_easy": 40, "piqa": 40, "hellaswag": 20, "sciq": 20}
SUITE = "zero-shot"
RULES = Path(__file__).parents[2] / "config" / "rules.yaml"
Options = dict[str, Any]


def study_variants(*, bypass_study: bool = True) -> dict[str, Options]:
    """Name -> options, as a configuration holds them."""
    variants = yaml.safe_load(RULES.read_text())["variants"]
    for size in (2, 4) if bypass_study else ():
        shared = {"method": "uniform", "group_size": size, "depth": 22 if size == 2 else 18}
        for bypass in range(1, size):
            for target in ("ffn", "ffn+residual"):
                variants[f"p{size}-d{bypass}-{target}".replace("+", "-")] = shared | {
                    "bypass": bypass,
                    "bypass_target": target,
                }
        for target in ("two-way", "mean"):
            variants[f"p{size}-{target}"] = shared | {"bypass_target": target}
    return variants


def fill_study(folder: Path, *, bypass_study: bool = True, ranks: tuple[int, ...] = (2, 4)) -> Path:
    """Writes every file of the run; returns the folder."""
    variants = study_variants(bypass_study=bypass_study)
    run = run_record(_config(variants, ranks))
    write_json(folder / "run.json", run.model_dump())
    plans = {name: _plan(options) for name, options in variants.items()}
    fields = {name: _fields(name, variants[name], plan) for name, plan in plans.items()}
    for number, (name, options) in enumerate(variants.items()):
        rng = np.random.default_rng(number)
        made = MadeUpVariant(_family(options), options["method"], options, plans[name])
        write_json(folder / "variants" / f"{name}.json", variant_manifest(name, made, MODEL))
        loss = 3 + 0.1 * (LAYERS - plans[name].depth) * rng.uniform(0.5, 2)
        _write_scores(folder, name, fields[name], loss, rng)
    for target in run.targets:
        if target.kind == "latency":
            variant, backend = variant_of(target.variant), target.group.split("/")[1]
            result_of = fields[variant] | {"variant": target.variant}
            _write_latency(folder / target.path, backend, result_of, plans[variant].depth)
    distances = np.abs(np.subtract.outer(range(LAYERS + 1), range(LAYERS + 1)))
    cosine = np.exp(-distances / 9)
    similarity = {"cosine": cosine.tolist(), "angular_last": np.arccos(cosine).tolist()}
    write_json(folder / "similarity.json", similarity)
    return folder


def _config(variants: dict[str, Options], ranks: tuple[int, ...]) -> RunConfig:
    return parse_config(
        {
            "name": "study",
            "model": MODEL.name,
            "variants": variants,
            "perplexity": {"texts": list(TEXTS), "window": 512, "documents": 8},
            "multiple_choice": {SUITE: {"tasks": TASKS}},
            "latency": {"ranks": list(ranks)},
        }
    )


def _family(options: Options) -> str:
    return methods()[options["method"]].family


def _plan(options: Options) -> LayerPlan:
    """A plan of the depth that is asked for; which layers it picks is made up."""
    depth, family = options.get("depth", LAYERS), _family(options)
    if family == "dense":
        return dense_plan(LAYERS)
    if family in ("removal", "skipping"):
        kept = sorted({round(x) for x in np.linspace(0, LAYERS - 1, depth)})
        return kept_layers_plan(LAYERS, kept, prompt_dense=family == "skipping")
    size = options.get("group_size", 2)
    end = min(2 + math.ceil((LAYERS - depth) * size / (size - 1)), LAYERS)
    plan = uniform_plan(LAYERS, 2, end, size, options.get("bypass", 0))
    return replace(plan, bypass_target=options.get("bypass_target", "ffn"))


def _fields(name: str, options: Options, plan: LayerPlan) -> dict[str, Any]:
    return result_fields(name, options["method"], plan, MODEL)


def _write_scores(
    folder: Path, name: str, fields: dict[str, Any], loss: float, rng: np.random.Generator
) -> None:
    windows = [
        WindowSample(
            text=text,
            document=f"{text}{number}",
            tokens=256,
            bytes=1000,
            nll=256 * (loss + number / 20 + rng.normal(0, 0.03)),
        )
        for text in TEXTS
        for number in range(8)
    ]
    perplexity = PerplexityResult(**fields, workload={}, samples=windows)
    write_result(folder / "perplexity" / f"{name}.json", perplexity)
    documents = [
        MultipleChoiceSample(
            task=task,
            document=f"{task}{number}",
            one_token=False,
            **choice_scores(rng.uniform() < 2 / loss, rng.uniform() < 2 / loss),
        )
        for task, count in TASKS.items()
        for number in range(count)
    ]
    accuracy = MultipleChoiceResult(**fields, workload={}, task_versions={}, samples=documents)
    write_result(folder / "multiple_choice" / SUITE / f"{name}.json", accuracy)


def _write_latency(path: Path, backend: str, fields: dict[str, Any], depth: float) -> None:
    """Nine rounds of a prefill and twelve decode steps."""
    rng = np.random.default_rng(len(backend))
    share = {"engine": 1, "transformers": 2}.get(backend, 0.7)
    seconds = [
        [depth * share * rng.uniform(0.9, 1.1) / (1000 if step else 100) for step in range(13)]
        for _ in range(9)
    ]
    result = LatencyResult(
        **fields,
        workload={"prompt_tokens": 128, "new_tokens": 12, "batch": 1},
        backend=BACKENDS[backend],
        layout={},
        session="s",
        samples=seconds,
    )
    write_result(path, result)
