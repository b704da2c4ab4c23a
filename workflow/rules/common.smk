# Names and helpers that the rules share. The configuration is checked here, before any job.
import json
import os
import re
import shlex
import sys
from pathlib import Path

from benchmarks.config.assets import ASSETS, wheel_file
from benchmarks.config.generation_tasks import (
    GENERATION_TASKS,
    FileDataset,
    check_task_files,
)
from benchmarks.config.healing import (
    healing_name,
    healing_steps,
    without_healing,
)
from benchmarks.config.model_checks import check_fits_model
from benchmarks.config.run_config import parse_config, parse_method, search_name
from benchmarks.latency.backends import backend_kinds
from benchmarks.results.code_fingerprint import fingerprint
from benchmarks.results.hardware import hardware
from benchmarks.targets import run_record

try:
    RUN = parse_config(config)
    check_fits_model(RUN)
    check_task_files(RUN.generation.tasks, Path())
    RECORD = run_record(RUN)
except ValueError as error:
    # Snakemake would print where the exception was raised, and end with code 1.
    print(f"error: {error}", file=sys.stderr, flush=True)
    os._exit(2)

WHEELS = {wheel_file(name): name for name in ASSETS["wheels"]}
VARIANTS = {name: parse_method(name, options) for name, options in RUN.variants.items()}
# Options that choose the plan; what heals its weights is apart.
OPTIONS = {name: without_healing(options) for name, options in RUN.variants.items()}
# Variants whose searches have one key share the outcome; any of them can run it.
SEARCHES = {
    key: name for name, options in OPTIONS.items() if (key := search_name(options))
}
# A variant is healed step by step. Variants whose first steps are the same share their outcome.
HEALINGS = {
    healing_name(options, done): (name, done)
    for name, options in RUN.variants.items()
    for done in range(1, len(healing_steps(options)) + 1)
}
RESULTS = f"results/{RUN.name}"
TASKS = "resources/tasks"
MODEL = f"resources/models/{RUN.model_folder}"


def files_of(*kinds):
    """Result files of these kinds that the run makes."""
    return [
        f"{RESULTS}/{target.path}" for target in RECORD.targets if target.kind in kinds
    ]


ACCURACY = files_of("perplexity", "multiple_choice", "generation")
LATENCY = files_of("latency")
REPORT = f"{RESULTS}/report/report.html"

# A job that loads the model takes a GPU where there is one. On CPU at most four run at once, since
# each holds the weights; programs check for themselves that the device is there.
GPUS = int(
    RUN.device == "cuda" or (RUN.device == "auto" and bool(hardware().accelerators))
)
CORES = workflow.cores or 1
THREADS = max(1, CORES // 4)
RUNTIME = f"--device {RUN.device} --dtype {RUN.dtype}"
# Choosing a plan is no measurement of a device, so it goes on where the measurements are skipped.
CALIBRATION = f"--device {'cpu' if RUN.device == 'cpu' else 'auto'} --dtype {RUN.dtype}"


wildcard_constraints:
    variant="|".join(map(re.escape, VARIANTS)),
    suite="|".join(map(re.escape, RUN.multiple_choice)) or "none",
    task="|".join(map(re.escape, GENERATION_TASKS)),
    search="|".join(map(re.escape, SEARCHES)) or "none",
    healing="|".join(map(re.escape, HEALINGS)) or "none",


def wheel_of(asset):
    """The wheel that carries an asset."""
    return f"resources/wheels/{wheel_file(asset['wheel'])}"


def checkpoint_state(model):
    """Name, size and time of the files of a local checkpoint; empty for any other model.

    They are no inputs, since Snakemake would take braces in a path for wildcards.
    """
    folder = Path(model).expanduser()
    patterns = ("*.safetensors", "*.json", "tokenizer.model", "*.jinja")
    files = sorted({file for pattern in patterns for file in folder.glob(pattern)})
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def origin_of(task):
    """Where a generation task's examples come from: a wheel, or the user's file."""
    dataset = GENERATION_TASKS[task].dataset
    if isinstance(dataset, FileDataset):
        return dataset.path
    return wheel_of(dataset.model_dump())


def texts(section):
    """The text files that a section of the configuration names."""
    return [f"resources/texts/{name}.jsonl" for name in section.texts]


def repeated(option, values):
    """`--option a --option b`, quoted for the shell."""
    return " ".join(f"--{option} {shlex.quote(str(value))}" for value in values)


def optional(option, value):
    """`--option value`, or nothing where there is no value."""
    return "" if value is None else f"--{option} {shlex.quote(str(value))}"


def evidence(wildcards):
    """What a variant's method wants measured before it chooses a plan."""
    method = VARIANTS[wildcards.variant]
    files = {}
    if method.needs_similarity:
        files["similarity"] = f"{RESULTS}/similarity.json"
    options = OPTIONS[wildcards.variant]
    if key := search_name(options):
        files["search"] = f"{RESULTS}/search/{key}.json"
    if method.input_files:
        files["files"] = list(method.input_files)
    return files | probe_file(options)


def last_healing(wildcards):
    """The healed manifest whose weights a variant takes, if it is healed."""
    options = RUN.variants[wildcards.variant]
    steps = len(healing_steps(options))
    if not steps or wildcards.state == "unhealed":
        return {}
    return {"healed": f"{RESULTS}/healing/{healing_name(options, steps)}.json"}


def healing_step(wildcards):
    """The step that a healing ends with."""
    name, done = HEALINGS[wildcards.healing]
    return healing_steps(RUN.variants[name])[done - 1]


def before_healing(wildcards):
    """The manifest that a step heals: the plan's, or the one that the step before it gave."""
    name, done = HEALINGS[wildcards.healing]
    if done == 1:
        return f"{RESULTS}/unhealed/{name}.json"
    return f"{RESULTS}/healing/{healing_name(RUN.variants[name], done - 1)}.json"


def budget_modules(options):
    """What a variant's depth depends on beside its method."""
    return (
        ["benchmarks.cost_model.depth_for_budget"]
        if "latency_budget" in options
        else []
    )


def probe_file(options):
    """The machine of a latency budget, where that is a file and no preset."""
    machine = options.get("latency_budget", {}).get("machine", "")
    return {"machine": machine} if machine.endswith(".json") else {}
