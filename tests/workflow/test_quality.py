"""The workflow is clean, and its files agree with each other."""

from __future__ import annotations

import re
import tomllib

import yaml
from project import ROOT, Project


def test_lint_finds_nothing(tmp_path):
    done = Project(tmp_path).snakemake("--lint")
    assert done.returncode == 0, done.stdout


def test_dry_run_of_the_default_counts_its_jobs(tmp_path):
    project = Project(tmp_path)
    done = project.snakemake("--dry-run")
    counts = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE))
    variants = len(yaml.safe_load((ROOT / "config/default.yaml").read_text())["variants"])
    assert counts["variant"] == counts["perplexity"] == counts["multiple_choice"] == str(variants)
    assert counts["search"] == "2"
    assert counts["time_variants"] == counts["draw_report"] == "1"


def test_every_published_size_dry_runs(tmp_path):
    project = Project(tmp_path)
    for name in ("smoke", "full", "llama", "rules"):
        done = project.snakemake("--dry-run", "--configfile", f"config/{name}.yaml")
        assert done.returncode == 0, done.stdout


def test_environment_and_project_use_the_one_lock():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert "-r requirements.lock" in conda["dependencies"][-1]["pip"]
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    locked = {name.lower().replace("_", "-") for name in locked}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    assert {name.lower().replace("_", "-") for name in wanted} <= locked


def test_lock_holds_no_cuda_package():
    """The bindings of NVML are pure Python: they need no CUDA and work without a driver."""
    assert not re.search(
        r"^(nvidia-(?!ml-py=)|triton)", (ROOT / "requirements.lock").read_text(), re.M
    )


def test_commands_of_the_readme_are_there():
    readme = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"`make ([a-z-]+)`|^    make ([a-z-]+)", readme, re.MULTILINE))
    assert targets
    for target in {first or second for first, second in targets}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
