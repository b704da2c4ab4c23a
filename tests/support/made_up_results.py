"""A whole results folder, small and made up, for tests of the report."""

from __future__ import annotations

import json

import numpy as np

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
from benchmarks.results.schema import (
    Hardware,
    MachineSnapshot,
    MachineState,
    Model,
    Provenance,
    StepSample,
)
from cqil.plan import LayerPlan, dense_plan, kept_layers_plan, uniform_plan

LAYERS = 6
MODEL = Model(name="tiny", sha256="ab" * 32, num_layers=LAYERS, note="Made up for a test.")
PLANS: dict[str, tuple[str, str, dict, LayerPlan]] = {
    "dense": ("dense", "dense", {}, dense_plan(LAYERS)),
    "pairs": ("cqil", "uniform", {}, uniform_plan(LAYERS, 2, 6, 2)),
    "pairs-d1": ("cqil", "uniform", {}, uniform_plan(LAYERS, 2, 6, 2, 1)),
    "removed": ("removal", "shortgpt", {}, kept_layers_plan(LAYERS, [0, 1, 2, 5])),
    "skipping": (
        "skipping",
        "unified",
        {"rule": "even"},
        kept_layers_plan(LAYERS, [0, 2, 4, 5], prompt_dense=True),
    ),
}
LATENCY = {"prompt_tokens": 8, "new_tokens": 3, "ranks": [2]}
NLL = {"dense": 3.0, "pairs": 3.5, "pairs-d1": 3.4, "removed": 5.0, "skipping": 13.0}
PROVENANCE = Provenance(
    created="2026-01-01T00:00:00+00:00",
    command="python -m benchmarks",
    commit="c0ffee",
    dirty=False,
    lock_sha256="cd" * 32,
    packages={"torch": "2.0"},
    python="3.12.0",
    system="Linux",
    hardware=Hardware(cpu="Imaginary CPU", cores=4, memory_gib=8, accelerators=[]),
    threads=2,
    device="cpu",
    dtype="float32",
    seed=0,
)

MOMENT = MachineSnapshot(load_average=[0.5, 0, 0], cpu_mhz=3000, cpu_celsius=None, gpus=[])
CONDITIONS = MachineState(
    before=MOMENT,
    after=MOMENT,
    others_before=0.0,
    others_during=0.04,
    involuntary_switches=3,
    warnings=[],
)


def fields(name):
    _, method, _, plan = PLANS[plan_of(name)]
    return {
        "status": "ok",
        "variant": name,
        "method": method,
        "plan": plan.to_dict(),
        "slug": plan.slug,
        "model": MODEL,
        "provenance": PROVENANCE,
    }


def perplexity_result(name, documents=5):
    rng = np.random.default_rng(len(name))
    samples = [
        WindowSample(
            text=text,
            document=f"{text}{number}",
            tokens=100,
            bytes=400,
            nll=100 * (NLL[name] + number / 10 + rng.normal(0, 0.01)),
        )
        for text in ("one", "two")
        for number in range(documents)
    ]
    return PerplexityResult(**fields(name), workload={}, samples=samples)


def choices_result(name):
    samples = [
        MultipleChoiceSample(
            task=task,
            document=f"{task}{number}",
            acc=float(number % 2),
            acc_norm=None if task.startswith("mmlu") else float(number % 3 == 0),
            loglikelihoods=[-1.0, -2.0],
            one_token=task.startswith("mmlu"),
        )
        for task, documents in (("sciq", 6), ("mmlu_law", 1), ("mmlu_art", 9))
        for number in range(documents)
    ]
    return MultipleChoiceResult(**fields(name), workload={}, task_versions={}, samples=samples)


def latency_result(name, path="engine", workload="b1-p8"):
    """Two ranks halve the engine's time and Transformers doubles it."""
    batch, prompt = (int(part[1:]) for part in workload.split("-"))
    workload = {"prompt_tokens": prompt, "new_tokens": 3, "batch": batch}
    plan, ranks = PLANS[plan_of(name)][3], 2 if path == "ranks-2" else 1
    seconds = plan.depth * {"engine": 1, "ranks-2": 1 / 2, "transformers": 2}[path]
    samples = [
        StepSample(
            round=r, phase="prefill" if s == 0 else "decode", step=s, seconds=seconds + r / 10
        )
        for r in range(4)
        for s in range(4)
    ]
    lanes = plan.max_group_size if ranks > 1 else 1
    own = fields(name) | {
        "provenance": PROVENANCE.model_copy(update={"threads": PROVENANCE.threads // ranks})
    }
    return LatencyResult(
        **own,
        workload=workload,
        path=path,
        layout={"lanes": lanes, "shards": ranks // lanes, "outside": "first"},
        session="s",
        stopped="rounds",
        conditions=CONDITIONS,
        samples=samples,
    )


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


def fill(tmp_path):
    write(
        tmp_path / "config.json",
        {
            "name": "made-up",
            "seed": 0,
            "variants": {name: {} for name in PLANS},
            "perplexity": {"texts": ["one", "two"], "window": 200, "documents": 5},
            "choices": {"few": {"tasks": {}}},
            "generation": {"tasks": {}},
            "latency": LATENCY,
            "report": {"confidence": 0.95, "resamples": 999},
        },
    )
    for name, (family, method, options, plan) in PLANS.items():
        manifest = {
            "variant": name,
            "method": method,
            "family": family,
            "options": options,
            "plan": plan.to_dict(),
            "model": MODEL.model_dump() | {"path": "elsewhere"},
        }
        write(tmp_path / "variants" / f"{name}.json", manifest)
        write_result(tmp_path / "perplexity" / f"{name}.json", perplexity_result(name))
        write_result(tmp_path / "choices" / "few" / f"{name}.json", choices_result(name))
    for path, work, name in latency_targets(PLANS, LatencySection(**LATENCY)):
        place = tmp_path / "latency" / path / work / f"{name}.json"
        write_result(place, latency_result(name, path, work))
    write(
        tmp_path / "similarity.json",
        {"cosine": np.eye(LAYERS + 1).tolist(), "angular_last": np.eye(LAYERS + 1).tolist()},
    )
    grid = [{"start": s, "end": s + 4, "nll": 3.0 + s} for s in (1, 2)]
    write(
        tmp_path / "search" / "P2-G4.json",
        {"group_size": 2, "depth": 4, "grid": grid, "start": 1},
    )
    return tmp_path
