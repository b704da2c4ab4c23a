"""After a crash `make unlock` releases the lock that the run has left behind."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from project import ROOT, Project


def test_unlock_releases_what_a_killed_run_has_locked(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    project = Project(folder)
    shutil.copy2(ROOT / "Makefile", folder)
    shutil.copy2(ROOT / "pyproject.toml", folder)
    (folder / ".venv").mkdir()
    (folder / ".venv" / ".ready").touch()
    lock = folder / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("results/default/similarity.json\n")
    target = "results/default/similarity.json"
    assert "LockException" in project.snakemake("--forcerun", "similarity", target).stdout
    done = subprocess.run(
        ["make", "unlock", f"BIN={Path(sys.executable).parent}"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not lock.exists()
