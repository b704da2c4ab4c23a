"""`python workflow/why.py CONFIG`: what a run would do, why, and how long such jobs took before."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

import pandas as pd

PROFILE = "workflow/profiles/default"
METADATA = Path(".snakemake/metadata")


def main(config: str) -> int:
    """Prints a line for each rule with jobs to run; returns the exit code."""
    dry_run = _snakemake(config, "--dry-run", "--quiet", "rules")
    if dry_run.returncode:
        errors = [line for line in dry_run.stderr.splitlines() if line.startswith("error: ")]
        print("\n".join(errors) or dry_run.stderr, file=sys.stderr)
        return dry_run.returncode
    jobs = job_counts(dry_run.stdout + dry_run.stderr)
    if not jobs:
        print("Nothing to do.")
        return 0
    reasons, seconds = (
        reasons_by_rule(_snakemake(config, "--summary").stdout),
        seconds_by_rule(METADATA),
    )
    known = sum(count * seconds.get(rule, 0) for rule, count in jobs.items())
    print(
        f"{sum(jobs.values())} jobs; {_minutes(known)} of jobs, as long as such jobs took before."
    )
    if unknown := sorted(jobs.keys() - seconds.keys()):
        print(f"Not run here before, so not counted: {', '.join(unknown)}.")
    for rule, count in jobs.items():
        took = f", {_minutes(count * seconds[rule])}" if rule in seconds else ""
        print(f"  {rule}: {count} ({reasons.get(rule, 'missing')}{took})")
    return 0


def _snakemake(config: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", PROFILE, "--cores", "all"]
    return subprocess.run(
        [*command, "--configfile", config, *options], capture_output=True, text=True, check=False
    )


def job_counts(dry_run: str) -> dict[str, int]:
    """Rule -> jobs, of the table that a dry run prints; without `all` and the total."""
    table = re.search(r"(?m)^job +count\n-+ +-+\n((?:\S+ +\d+\n)+)", dry_run)
    rows = [line.split() for line in table[1].splitlines()] if table else []
    return {rule: int(count) for rule, count in rows if rule not in ("all", "total")}


def reasons_by_rule(summary: str) -> dict[str, str]:
    """Rule -> why its files are made, the most frequent reason first."""
    lines = [line for line in summary.splitlines() if line.count("\t") == 5]
    files = pd.read_csv(io.StringIO("\n".join(lines)), sep="\t", dtype=str)
    pending = files[files["plan"] == "update pending"]
    return {
        rule: ", ".join(statuses.value_counts().index)
        for rule, statuses in pending.groupby("rule", sort=False)["status"]
    }


def seconds_by_rule(folder: Path) -> dict[str, float]:
    """Rule -> median seconds of its finished jobs, as Snakemake recorded them."""
    seconds = defaultdict(list)
    for path in folder.rglob("*") if folder.exists() else []:
        if path.is_file():
            record = json.loads(path.read_text())
            if record.get("starttime") and record.get("endtime"):
                seconds[record["rule"]].append(record["endtime"] - record["starttime"])
    return {rule: median(of_rule) for rule, of_rule in seconds.items()}


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
