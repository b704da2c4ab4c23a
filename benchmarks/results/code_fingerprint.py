"""A digest over the sources that a module imports. Imports no torch.

Snakemake does not see imported modules. Rules pass the digest as a parameter, so that changed code
reruns exactly the jobs that use it.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.results.provenance import ROOT

PROJECT = ("cqil", "baselines", "benchmarks", "reports")
"""Packages whose imports are followed."""


def fingerprint(*modules: str) -> str:
    """Digest over the sources of modules and of every module of the project that they import.

    Of a module outside the project only its file counts, not its imports.
    """
    sources = set(modules)
    for module in modules:
        if module.split(".")[0] in PROJECT:
            sources |= _import_graph().find_upstream_modules(module)
    digest = hashlib.sha256()
    for module in sorted(sources):
        digest.update(module.encode() + b"\0" + _source(module).read_bytes())
    return digest.hexdigest()[:16]


@cache
def _import_graph() -> Any:
    import grimp  # needed by the workflow only

    return grimp.build_graph(*PROJECT, cache_dir=None)


def _source(module: str) -> Path:
    if module.split(".")[0] not in PROJECT:
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        return Path(spec.origin)
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
