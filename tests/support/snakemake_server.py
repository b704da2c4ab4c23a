"""Runs Snakemake's own command line again and again without starting Python for each call.

    python snakemake_server.py    # one request a line on standard input, one answer a line

A request is JSON: arguments, folder, environment. Snakemake is imported once; each request runs
`snakemake.cli.main` in a fork of this process, with modules of the project imported by that fork
alone. The answer is JSON: exit code, and what it printed to standard output and error.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback

# Imported before the forks, as the project does not change them.
import grimp  # noqa: F401
import numpy  # noqa: F401
import psutil  # noqa: F401
import pydantic  # noqa: F401
import snakemake.api
import snakemake.cli
import snakemake.workflow
import yaml  # noqa: F401


def answer(request: dict) -> dict:
    """Runs one call in a fork and waits for its end."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            run(request, output.fileno())
        _, status = os.waitpid(child, 0)
        output.seek(0)
        text = output.read().decode(errors="replace")
    return {"returncode": os.waitstatus_to_exitcode(status), "stdout": text}


def run(request: dict, output: int) -> None:
    """The call itself, in the fork; never returns."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
    code = 1
    try:
        snakemake.cli.main(request["arguments"])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder: it must not hide modules of the project
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
