"""A large results folder, made up: every variant of config/rules.yaml and a study of the bypass.

As large as a run of the default workload would make it; with latencies on one device and on ranks.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml
from made_up_results import PROVENANCE, write

from baselines.registry import methods
from benchmarks.config.sections import LatencySection
from benchmarks.latency.targets import latency_targets, plan_of
from benchmarks.results.measurements import (
    LatencyResult,
    MultipleChoiceResult,
    MultipleChoiceSample,
    PerplexityResult,
    WindowSample,
    write_result,
)
from benchmarks.results.schema import Model, StepSample
from cqil.plan import LayerPlan, dense_plan, kept_layers_plan, uniform_plan

LAYERS = 30
MODEL = Model(name="thirty", sha256="ab" * 32, num_layers=LAYERS, note="Made up for a test.")
TASKS = {"arc_easy": 40, "piqa": 40, "hellaswag": 20, "sciq": 20}
RULES = Path(__file__).parents[2] / "config" / "rules.yaml"


def asked(modes=True):
    """Name -> options, as a configuration holds them; `modes`: with those that differ in bypass."""
    variants = yaml.safe_load(RULES.read_text())["variants"]
    for size in (2, 4) if modes else ():
        same = {"method": "uniform", "group_size": size, "depth": 22 if size == 2 else 18}
        for bypass in range(1, size):
            for target in ("ffn", "ffn+residual"):
                variants[f"p{size}-d{bypass}-{target}"] = same | {
                    "bypass": bypass,
                    "bypass_target": target,
                }
        for target in ("two-way", "mean"):
            variants[f"p{size}-{target}"] = same | {"bypass_target": target}
    return variants


def planned(options) -> LayerPlan:
    depth, family = options.get("depth", LAYERS), methods()[options["method"]].family
    if family == "dense":
        return dense_plan(LAYERS)
    if family in ("removal", "skipping"):
        kept = sorted({round(x) for x in np.linspace(0, LAYERS - 1, depth)})
        return kept_layers_plan(LAYERS, kept, prompt_dense=family == "skipping")
    size = options.get("group_size", 2)
    end = min(2 + math.ceil((LAYERS - depth) * size / (size - 1)), LAYERS)
    plan = uniform_plan(LAYERS, 2, end, size, options.get("bypass", 0))
    return replace(plan, bypass_target=options.get("bypass_target", "ffn"))


def fill_many(folder, *, modes=True, ranks=(2, 4)):
    variants = asked(modes)
    config = {
        "name": "many",
        "seed": 0,
        "variants": variants,
        "perplexity": {"texts": ["one", "two"], "window": 512, "documents": 8},
        "choices": {"zero-shot": {"tasks": TASKS}},
        "generation": {"tasks": {}, "batch": 1},
        "latency": {"ranks": list(ranks)},
        "report": {"confidence": 0.95, "resamples": 9999},
    }
    write(folder / "config.json", config)
    plans = {name: planned(options) for name, options in variants.items()}
    for place, (name, options) in enumerate(variants.items()):
        rng = np.random.default_rng(place)
        _write_variant(folder, name, options, plans[name])
        own = _fields(name, options, plans[name])
        loss = 3 + 0.1 * (LAYERS - plans[name].depth) * rng.uniform(0.5, 2)
        _write_scores(folder, name, own, loss, rng)
    for path, workload, name in latency_targets(variants, LatencySection(ranks=list(ranks))):
        plan = plans[plan_of(name)]
        own = _fields(name, variants[plan_of(name)], plan)
        _write_latency(folder / "latency" / path / workload, path, name, own, plan.depth)
    alike = np.exp(-np.abs(np.subtract.outer(range(LAYERS + 1), range(LAYERS + 1))) / 9)
    write(
        folder / "similarity.json",
        {"cosine": alike.tolist(), "angular_last": np.arccos(alike).tolist()},
    )
    return folder


def _fields(name, options, plan):
    return {
        "status": "ok",
        "variant": name,
        "method": options["method"],
        "plan": plan.to_dict(),
        "slug": plan.slug,
        "model": MODEL,
        "provenance": PROVENANCE,
    }


def _write_variant(folder, name, options, plan):
    manifest = {
        "variant": name,
        "method": options["method"],
        "family": methods()[options["method"]].family,
        "options": {key: value for key, value in options.items() if key != "method"},
        "plan": plan.to_dict(),
        "model": MODEL.model_dump() | {"path": "elsewhere"},
    }
    write(folder / "variants" / f"{name}.json", manifest)


def _write_scores(folder, name, own, loss, rng):
    windows = [
        WindowSample(
            text=text,
            document=f"{text}{number}",
            tokens=256,
            bytes=1000,
            nll=256 * (loss + number / 20 + rng.normal(0, 0.03)),
        )
        for text in ("one", "two")
        for number in range(8)
    ]
    write_result(
        folder / "perplexity" / f"{name}.json",
        PerplexityResult(**own, workload={}, samples=windows),
    )
    documents = [
        MultipleChoiceSample(
            task=task,
            document=f"{task}{number}",
            acc=float(rng.uniform() < 2 / loss),
            acc_norm=float(rng.uniform() < 2 / loss),
            loglikelihoods=[-1.0, -2.0],
            one_token=False,
        )
        for task, count in TASKS.items()
        for number in range(count)
    ]
    write_result(
        folder / "choices" / "zero-shot" / f"{name}.json",
        MultipleChoiceResult(**own, workload={}, task_versions={}, samples=documents),
    )


def _write_latency(folder, path, name, own, depth):
    rng = np.random.default_rng(len(path))
    share = {"engine": 1, "transformers": 2}.get(path, 0.7)
    samples = [
        StepSample(
            round=r,
            phase="decode" if s else "prefill",
            step=s,
            seconds=depth * share * rng.uniform(0.9, 1.1) / (1000 if s else 100),
        )
        for r in range(9)
        for s in range(13)
    ]
    workload = {"prompt_tokens": 128, "new_tokens": 12, "batch": 1}
    record = LatencyResult(
        **own, workload=workload, path=path, layout={}, session="s", samples=samples
    )
    write_result(folder / f"{name}.json", record)
