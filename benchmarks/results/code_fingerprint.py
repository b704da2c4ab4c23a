"""A digest over the sources that a module uses, so that changed code reruns what uses it.

Snakemake does not see imported modules: rules pass the digest as a parameter, so that changed code
reruns exactly the jobs that use it. Imports no torch.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.results.provenance import ROOT

PROJECT = ("cqil", "baselines", "benchmarks", "reports")


def fingerprint(*modules: str) -> str:
    """Digest over the sources of modules and of all that they import in the project.

    A module of another package counts by its own file alone.
    """
    used = set(modules)
    for module in modules:
        if module.split(".")[0] in PROJECT:
            used |= _import_graph().find_upstream_modules(module)
    digest = hashlib.sha256()
    for module in sorted(used):
        digest.update(module.encode() + b"\0" + _source(module).read_bytes())
    return digest.hexdigest()[:16]


@cache
def _import_graph() -> Any:
    import grimp

    return grimp.build_graph(*PROJECT, cache_dir=None)


def _source(module: str) -> Path:
    if module.split(".")[0] not in PROJECT:
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        return Path(spec.origin)
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
