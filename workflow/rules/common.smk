# Names and helpers that the rules share. The configuration is checked here, before any job.
import json
import re
import shlex
from pathlib import Path

from snakemake.exceptions import WorkflowError

from baselines.registry import methods
from benchmarks.assets import TABLE, wheel_file
from benchmarks.config import parse_config, parse_method, search_name
from benchmarks.pairs import TASKS, Own, check_files
from benchmarks.paths import timed
from benchmarks.provenance import fingerprint, hardware

try:
    RUN = parse_config(config)
    check_files(RUN.generation.tasks, Path())
except ValueError as error:
    raise WorkflowError(str(error))

WHEELS = {wheel_file(name): name for name in TABLE["wheels"]}
VARIANTS = {name: parse_method(name, options) for name, options in RUN.variants.items()}
# Variants whose searches have one key share the outcome; any of them can run it.
SEARCHES = {
    key: name for name, options in RUN.variants.items() if (key := search_name(options))
}
RESULTS = f"results/{RUN.name}"
MODEL = f"resources/models/{RUN.model_folder}"

PERPLEXITY = expand(f"{RESULTS}/perplexity/{{variant}}.json", variant=VARIANTS)
CHOICES = expand(
    f"{RESULTS}/choices/{{suite}}/{{variant}}.json", suite=RUN.choices, variant=VARIANTS
)
GENERATION = expand(
    f"{RESULTS}/generation/{{task}}/{{variant}}.json",
    task=RUN.generation.tasks,
    variant=VARIANTS,
)
ACCURACY = PERPLEXITY + CHOICES + GENERATION
TIMED = timed(VARIANTS, RUN.latency) if RUN.latency else []
LATENCY = [
    f"{RESULTS}/latency/{path}/{workload}/{variant}.json"
    for path, workload, variant in TIMED
]
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
    variant="|".join(VARIANTS),
    suite="|".join(RUN.choices) or "none",
    task="|".join(TASKS),
    search="|".join(map(re.escape, SEARCHES)) or "none",


def wheel_of(asset):
    """The wheel that carries an asset."""
    return f"resources/wheels/{wheel_file(asset['wheel'])}"


def origin_of(task):
    """Where a generation task's pairs come from: a wheel, or the user's file."""
    pairs = TASKS[task].pairs
    return pairs.path if isinstance(pairs, Own) else wheel_of(pairs.model_dump())


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
    if key := search_name(RUN.variants[wildcards.variant]):
        files["search"] = f"{RESULTS}/search/{key}.json"
    return files | probed(RUN.variants[wildcards.variant])


def budgeting(options):
    """What a variant's depth depends on beside its method."""
    return ["benchmarks.cost_model.budget"] if "latency_budget" in options else []


def probed(options):
    """The machine of a latency budget, where that is a file and no preset."""
    machine = options.get("latency_budget", {}).get("machine", "")
    return {"machine": machine} if machine.endswith(".json") else {}
