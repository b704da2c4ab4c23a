"""What variants are timed on: names of backends, and which layout a plan takes on N ranks."""

import subprocess
import sys
from dataclasses import replace
from typing import get_args

import pytest

from baselines.registry import methods
from benchmarks.config.sections import ExecutionMode, LatencySection
from benchmarks.latency import backends
from benchmarks.latency.backends import backend_kinds, configured_backends
from benchmarks.latency.backends.engine import EngineBackend, layout_for
from benchmarks.latency.measure_latency import _by_name
from benchmarks.latency.targets import latency_targets
from benchmarks.models.variants import Variant
from benchmarks.runtime import device as runtime_device
from benchmarks.runtime.errors import UnavailableError
from cqil import dense_plan, kept_layers_plan, uniform_plan
from cqil.engine.options import ExecutionMode as EngineMode
from cqil.engine.parallel.layout import Layout
from cqil.plan import LayerPlan
from cqil.plan.early_exit_rule import EarlyExitRule

LAYERS = 8
DENSE, SKIPPING = dense_plan(LAYERS), kept_layers_plan(LAYERS, [0, 4, 7], prompt_dense=True)
PAIRS, FOURS = uniform_plan(LAYERS, 2, 8, 2), uniform_plan(LAYERS, 2, 8, 4)
GROUPED_PROMPT = LayerPlan(num_layers=LAYERS, groups=DENSE.groups, prefill=PAIRS.groups)
ONE_FILE_BACKEND = """
from typing import ClassVar

from benchmarks.latency.backends.backend import Backend
from cqil.engine.parallel.layout import ONE_DEVICE


class AbacusBackend(Backend):
    kind: ClassVar[str] = "abacus"

    @classmethod
    def configured(cls, latency):
        return [cls()]

    @property
    def name(self):
        return "abacus"

    @property
    def label(self):
        return "an abacus"

    def check(self, variant, device):
        pass

    def layout(self, variant):
        return ONE_DEVICE

    def start(self, key, variant, resources):
        raise NotImplementedError
"""


def names(variants, section):
    """(backend, workload, variant) of every target."""
    return [
        (target.backend.name, target.workload.name, target.variant)
        for target in latency_targets(variants, section)
    ]


def test_all_variants_are_timed_on_all_backends_and_dense_by_transformers_too():
    assert names(["dense", "pairs"], LatencySection(ranks=[2, 4], prompt_tokens=8)) == [
        ("engine", "b1-p8", "dense"),
        ("engine", "b1-p8", "pairs"),
        ("engine", "b1-p8", "dense-control"),
        ("ranks-2", "b1-p8", "dense"),
        ("ranks-2", "b1-p8", "pairs"),
        ("ranks-2", "b1-p8", "dense-control"),
        ("ranks-4", "b1-p8", "dense"),
        ("ranks-4", "b1-p8", "pairs"),
        ("ranks-4", "b1-p8", "dense-control"),
        ("transformers", "b1-p8", "dense"),
    ]
    assert names(["pairs"], LatencySection()) == [("engine", "b1-p128", "pairs")]


def test_each_batch_with_each_prompt_is_a_workload_the_smallest_first():
    section = LatencySection(batch=[4, 1], prompt_tokens=[64, 16], rounds=7, precision=0.1)
    points = [(w.batch, w.prompt_tokens) for w in section.workloads]
    assert points == [(1, 16), (1, 64), (4, 16), (4, 64)]
    assert {(w.rounds, w.precision) for w in section.workloads} == {(7, 0.1)}
    targets = names(["dense"], section)
    assert len(set(targets)) == len(targets) == 4 * 3
    assert [work for _, work, _ in targets[::3]] == ["b1-p16", "b1-p64", "b4-p16", "b4-p64"]


def test_modes_have_backends_and_references_of_their_own():
    section = LatencySection(ranks=[2], modes=["eager", "cuda_graph", "compiled"])
    by_name = {
        target.backend.name: target.backend for target in latency_targets(["dense"], section)
    }
    engines = ["engine", "ranks-2"]
    expected = [name + mode for mode in ("", "-cuda_graph", "-compiled") for name in engines]
    assert list(by_name) == [*expected, "transformers"]
    modes = [backend.mode for backend in list(by_name.values())[:-1:2]]
    assert modes == ["eager", "cuda_graph", "compiled"]
    assert [backend.ranks for backend in by_name.values()] == [1, 2] * 3 + [1]
    assert by_name["ranks-2-cuda_graph"].reference == "engine-cuda_graph"
    assert by_name["transformers"].reference == by_name["ranks-2"].reference == "engine"
    controls = [
        name for name, _, variant in names(["dense"], section) if variant == "dense-control"
    ]
    assert controls == ["engine", "ranks-2", "engine-cuda_graph", "engine-compiled"]


def test_the_control_is_dense_under_a_second_name():
    variants = [Variant("dense", "dense", DENSE, {}), Variant("pairs", "uniform", PAIRS, {})]
    plans = {name: variant.plan for name, variant in _by_name(variants).items()}
    assert plans == {"dense-control": DENSE, "dense": DENSE, "pairs": PAIRS}


def test_modes_are_those_of_the_engine():
    assert get_args(ExecutionMode) == get_args(EngineMode)


@pytest.mark.parametrize(("ranks", "mode"), [(1, "cuda_graph"), (1, "compiled"), (2, "eager")])
def test_early_exit_where_it_cannot_run_is_unavailable(monkeypatch, ranks, mode):
    """So that the session times the other variants."""
    monkeypatch.setattr(runtime_device, "device_count", lambda device: 2)
    monkeypatch.setattr(
        EngineBackend,
        "layout",
        lambda self, variant: layout_for(variant.plan, self.ranks, 4, "group"),
    )
    rule = EarlyExitRule("saturation", 0.5)
    early = Variant("early", "early-exit", DENSE, {}, early_exit=rule)
    with pytest.raises(UnavailableError, match=r"\Aearly_exit: [^\n]*\Z"):
        EngineBackend(ranks, mode).check(early, "cuda")
    EngineBackend(ranks, mode).check(replace(early, early_exit=None), "cuda")
    EngineBackend(1, "eager").check(early, "cuda")


@pytest.fixture
def new_folder(tmp_path, monkeypatch):
    """A folder whose files the registry finds beside those of the package."""
    monkeypatch.setattr(backends, "__path__", [*backends.__path__, str(tmp_path)])
    backend_kinds.cache_clear()
    yield tmp_path
    sys.modules.pop(f"{backends.__name__}.abacus", None)
    vars(backends).pop("abacus", None)
    backend_kinds.cache_clear()


def test_a_backend_of_one_file_is_found(new_folder):
    assert set(backend_kinds()) == {"engine", "transformers"}
    (new_folder / "abacus.py").write_text(ONE_FILE_BACKEND)
    backend_kinds.cache_clear()
    assert set(backend_kinds()) == {"engine", "transformers", "abacus"}
    section = LatencySection(backends=["abacus", "engine"], prompt_tokens=8)
    assert [backend.name for backend in configured_backends(section)] == ["abacus", "engine"]
    assert names(["dense", "pairs"], section)[:2] == [
        ("abacus", "b1-p8", "dense"),
        ("abacus", "b1-p8", "pairs"),
    ]
    (backend,) = configured_backends(LatencySection(backends=["abacus"]))
    record = backend.record()
    assert (record.kind, record.label, record.ranks) == ("abacus", "an abacus", 1)
    assert (record.mode, record.reference, record.dense_only) == ("eager", "abacus", False)


def test_an_unknown_kind_of_backend_is_one_line():
    line = r"\Aconfig: latency\.backends: 'abacus' is unknown; use one of engine, transformers\Z"
    with pytest.raises(ValueError, match=line):
        configured_backends(LatencySection(backends=["engine", "abacus"]))
    with pytest.raises(ValueError, match=line):
        latency_targets(["dense"], LatencySection(backends=["abacus"]))


@pytest.mark.parametrize(
    ("plan", "ranks", "layout"),
    [
        (DENSE, 2, Layout(tensor_parallel_size=2)),
        (DENSE, 3, Layout(tensor_parallel_size=3)),
        (SKIPPING, 4, Layout(tensor_parallel_size=4)),
        (PAIRS, 2, Layout(group_parallel_size=2)),
        (PAIRS, 4, Layout(group_parallel_size=2, tensor_parallel_size=2)),
        (PAIRS, 6, Layout(group_parallel_size=2, tensor_parallel_size=3)),
        (FOURS, 4, Layout(group_parallel_size=4)),
        (FOURS, 8, Layout(group_parallel_size=4, tensor_parallel_size=2)),
        (GROUPED_PROMPT, 2, Layout(group_parallel_size=2)),
    ],
)
def test_groups_run_group_parallel_and_other_ranks_share_layers(plan, ranks, layout):
    assert layout_for(plan, ranks, 4, "group") == layout
    assert layout.world_size == ranks


@pytest.mark.parametrize(
    ("plan", "ranks", "reason"),
    [
        (DENSE, 5, "ranks: 5, so that 5 share each layer, but a layer has 4 attention heads"),
        (PAIRS, 10, "ranks: 10, so that 5 share each layer, but a layer has 4 attention heads"),
    ],
)
def test_ranks_that_cannot_all_be_used_are_refused(plan, ranks, reason):
    with pytest.raises(UnavailableError, match=rf"\A{reason}[^\n]*\Z"):
        layout_for(plan, ranks, 4, "group")


@pytest.mark.parametrize(("plan", "ranks"), [(PAIRS, 3), (FOURS, 2), (GROUPED_PROMPT, 3)])
def test_ranks_that_groups_do_not_fill_share_each_layer(plan, ranks):
    assert layout_for(plan, ranks, 4, "group") == Layout(tensor_parallel_size=ranks)


@pytest.mark.parametrize(
    ("method", "parallelism"),
    [
        ("uniform", "group"),
        ("painters", "group"),
        ("layer-parallel", "tensor"),
        ("parallel-attention", "tensor"),
        ("ladder", "tensor"),
    ],
)
def test_a_method_is_timed_in_its_own_layout(method, parallelism):
    assert methods()[method].parallelism == parallelism
    layout = layout_for(PAIRS, 2, 4, parallelism)
    assert layout.group_parallel_size == (2 if parallelism == "group" else 1)


def test_the_workflow_names_targets_without_torch():
    probe = "import sys, benchmarks.latency.targets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
