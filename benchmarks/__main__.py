"""`python -m benchmarks COMMAND`: one command for each rule of the workflow.

Each command imports the modules that it needs, so that fetching a wheel imports no torch.
"""

import benchmarks.cli.choose
import benchmarks.cli.healing
import benchmarks.cli.machine
import benchmarks.cli.measure
import benchmarks.cli.prepare  # noqa: F401, each module adds its commands
from benchmarks.cli.app import app
from cqil.cli.run_app import run_app

if __name__ == "__main__":
    run_app(app)
