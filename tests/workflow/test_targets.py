"""Every command line of the Makefile is one that Snakemake takes."""

import re
import shlex
import subprocess

import pytest
from project import ROOT, Project

RUNS = ["reproduce", "smoke", "reproduce-full", "rules", "bypass", "bench"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project(tmp_path_factory.mktemp("targets"))


@pytest.mark.parametrize("target", RUNS)
def test_a_target_is_a_run_that_can_be_planned(target, project):
    printed = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True
    )
    (line,) = re.findall(r"^PATH=.* -m snakemake (.*)$", printed.stdout, re.MULTILINE)
    done = project.snakemake(*shlex.split(line), "--dry-run")
    assert done.returncode == 0, done.stdout
