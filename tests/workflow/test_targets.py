"""Every command line of the Makefile is one that Snakemake takes."""

import re
import shlex
import subprocess

import pytest
from project import ROOT

RUNS = ["reproduce", "smoke", "reproduce-full", "rules", "bypass", "bench"]


@pytest.mark.parametrize("target", RUNS)
def test_a_target_is_a_run_that_can_be_planned(target, tmp_path):
    printed = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True
    )
    (line,) = re.findall(r"^PATH=.*/snakemake .*$", printed.stdout, re.MULTILINE)
    command = shlex.split(line)[1:]
    elsewhere = ["--dry-run", "--directory", str(tmp_path)]
    done = subprocess.run(
        [*command, *elsewhere], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
