"""Worker processes: scripts of this tree that import `cqil` from another tree.

This module imports no torch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent


class WorkerProcess:
    """One script over one tree. The process lives until the `with` block ends."""

    def __init__(self, script: str, tree: Path, options: dict[str, Any], threads: int = 1) -> None:
        """Starts the script; the first `answer` waits until it is ready."""
        self.tree = tree
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        # -P: the folder of the script must not hide other modules.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(SCRIPTS / script), json.dumps(options)],
            env=os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def hello(self) -> dict[str, Any]:
        """The first answer. Raises ValueError where the script imported another tree's `cqil`."""
        answer = self.answer()
        imported = Path(answer["cqil"]).resolve()
        if not imported.is_relative_to(self.tree.resolve()):
            raise ValueError(f"tree: {self.tree} was to be measured, but {imported} was imported")
        return answer

    def ask(self, line: str) -> Any:
        """The answer to one line of input. Raises ValueError where the script has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        return self.answer()

    def answer(self) -> Any:
        """The next answer. Raises ValueError where the script has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        return json.loads(line)

    def _ended(self) -> ValueError:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit code {self._process.returncode}"
        return ValueError(f"tree: {self.tree} cannot be measured, its worker ended ({reason})")
