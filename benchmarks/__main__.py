"""`python -m benchmarks COMMAND`: one command for each rule of the workflow.

Modules are imported by the command that needs them, so that fetching a wheel needs no torch.
"""

import benchmarks.cli.choose
import benchmarks.cli.machine
import benchmarks.cli.measure
import benchmarks.cli.prepare  # noqa: F401, each adds its commands
from benchmarks.cli.app import app
from cqil.cli.run_app import run_app

if __name__ == "__main__":
    run_app(app)
