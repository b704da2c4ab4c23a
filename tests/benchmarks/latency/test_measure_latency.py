"""Latency of a tiny LLaMA on disk: what is timed, in which order, and what is skipped or failed."""

from collections import Counter, defaultdict
from contextlib import ExitStack

import pytest
import torch
from measurements import CPU, VARIANTS

from benchmarks.config.sections import LatencySection
from benchmarks.latency import measure_latency as latency
from benchmarks.latency.backends.backend import TimingResources
from benchmarks.latency.interleaved_rounds import InterleavedTimes
from benchmarks.latency.measure_latency import measure_latency, result_path
from benchmarks.latency.targets import latency_targets
from benchmarks.models.variants import Variant, read_variant, write_variant
from benchmarks.runtime import device as runtime_device
from benchmarks.runtime.device import Runtime
from benchmarks.runtime.run_measurement import measured_once
from cqil import dense_plan
from cqil.engine import RankError
from cqil.engine.parallel import worker_group

ONE_DEVICE = {"group_parallel_size": 1, "tensor_parallel_size": 1, "ungrouped_layers": "rank0"}


def test_absent_device_is_skipped_with_its_reason(monkeypatch, variants):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    cuda = Runtime(device="cuda", dtype="float32", threads=1, seed=0)
    results = measure_latency([variants["dense"]], LatencySection(ranks=[2]), cuda)
    backends = ["engine", "engine", "ranks-2", "ranks-2", "transformers"]
    assert [result.backend.name for result in results] == backends
    for result in results:
        assert (result.status, result.samples) == ("skipped", [])
        assert result.reason.startswith("device: cuda")
        assert result.provenance.device == "cuda"


ON_RANKS = (*VARIANTS, "dense-control")
"""What several ranks time."""


class WatchedRunner:
    """A runner that tells when it runs."""

    def __init__(self, key, runner, ran):
        self.key, self.runner, self.ran = key, runner, ran

    def run(self, prompt_BT, new_tokens):
        self.ran.append(self.key)
        assert prompt_BT.shape == (2, 5)
        return self.runner.run(prompt_BT, new_tokens)

    def layers_run(self, new_tokens):
        return self.runner.layers_run(new_tokens)

    def weight_bytes(self):
        return self.runner.weight_bytes()


def test_latency_interleaves_all_backends_and_variants(monkeypatch, variants):
    ran, load_runners = [], latency._load_runners

    def watched(*args):
        runners = load_runners(*args)
        return {key: WatchedRunner(key, runner, ran) for key, runner in runners.items()}

    monkeypatch.setattr(latency, "_load_runners", watched)
    workload = LatencySection(prompt_tokens=5, new_tokens=2, batch=2, rounds=6, warmup=1, ranks=[2])
    results = measure_latency(list(variants.values()), workload, CPU)
    keys = [f"{backend}/{name}" for backend in ("engine", "ranks-2") for name in variants]
    keys[3:3] = ["engine/dense-control"]
    keys += ["ranks-2/dense-control", "transformers/dense"]
    assert [f"{result.backend.name}/{result.variant}" for result in results] == keys
    assert {(result.status, result.reason) for result in results} == {("ok", None)}
    rounds = [ran[start : start + len(keys)] for start in range(0, len(ran), len(keys))]
    assert len(rounds) == 1 + 6
    assert all(Counter(order) == Counter(keys) for order in rounds)
    assert len(set(map(tuple, rounds))) > 1
    assert len({result.session for result in results}) == 1
    for result in results:
        # Each of 6 rounds has a prefill and two decode steps.
        assert [len(steps) for steps in result.samples] == [3] * 6
        assert all(seconds > 0 for steps in result.samples for seconds in steps)
    for name in variants:
        of_one, of_two = (
            next(r for r in results if (r.backend.name, r.variant) == (backend, name)).weight_bytes
            for backend in ("engine", "ranks-2")
        )
        assert len(of_one) == 1
        assert len(of_two) == 2
        assert max(of_two) < of_one[0]
    layouts = {r.variant: r.layout for r in results if r.backend.name == "ranks-2"}
    assert layouts == {
        "dense-control": ONE_DEVICE | {"tensor_parallel_size": 2},
        "dense": ONE_DEVICE | {"tensor_parallel_size": 2},
        "pairs": ONE_DEVICE | {"group_parallel_size": 2},
        "skip": ONE_DEVICE | {"tensor_parallel_size": 2},
    }
    assert all(r.layout == ONE_DEVICE for r in results if r.backend.name != "ranks-2")


@pytest.mark.parametrize(
    ("devices", "ranks", "reasons"),
    [
        (1, 2, dict.fromkeys(ON_RANKS, "ranks: 2, but this machine has 1 CPU cores; use fewer")),
        (
            4,
            3,
            dict.fromkeys(
                ON_RANKS,
                "ranks: 3, so that 3 share each layer, but a layer has 2 attention heads; "
                "use fewer",
            ),
        ),
    ],
)
def test_ranks_that_cannot_run_are_skipped_and_the_rest_is_timed(
    monkeypatch, variants, devices, ranks, reasons
):
    monkeypatch.setattr(runtime_device, "device_count", lambda device: devices)
    monkeypatch.setattr(worker_group, "WorkerGroup", None)
    workload = LatencySection(prompt_tokens=5, new_tokens=2, rounds=5, ranks=[ranks])
    results = measure_latency(list(variants.values()), workload, CPU)
    skipped = [result for result in results if result.backend.name == f"ranks-{ranks}"]
    assert {result.variant: result.reason for result in skipped} == reasons
    assert all((r.status, r.samples, r.layout) == ("skipped", [], {}) for r in skipped)
    assert {result.status for result in results if result not in skipped} == {"ok"}


def test_a_grid_is_timed_workload_by_workload_and_other_modes_are_skipped_on_cpu(variants):
    section = LatencySection(
        prompt_tokens=[6, 4], new_tokens=2, batch=[2, 1], rounds=5, modes=["eager", "compiled"]
    )
    measured = [variants["dense"], variants["pairs"]]
    results = measure_latency(measured, section, CPU)
    by_path = {result_path(result): result for result in results}
    assert list(by_path) == [
        f"{target.group}/{target.variant}.json"
        for target in latency_targets(["dense", "pairs"], section)
    ]
    assert len(by_path) == len(results) == 4 * (2 * 3 + 1)
    for path, result in by_path.items():
        workload = result.workload
        assert path.split("/")[1] == f"b{workload['batch']}-p{workload['prompt_tokens']}"
        if result.backend.name == "engine-compiled":
            assert result.status == "skipped"
            assert result.reason.startswith("modes: compiled is timed on CUDA, but device is cpu")
            continue
        assert (result.status, list(map(len, result.samples))) == ("ok", [3] * 5)
        assert (result.stop_reason, result.machine_state.before.gpus) == ("rounds", [])
    assert len({result.session for result in results}) == 1
    control = by_path["engine/b2-p6/dense-control.json"]
    dense = by_path["engine/b2-p6/dense.json"]
    assert (control.method, control.plan, control.layout) == (
        dense.method,
        dense.plan,
        dense.layout,
    )
    assert control.samples != dense.samples


def test_the_control_shares_the_weights_of_dense_in_an_engine_of_its_own(variants):
    by_name = latency._by_name([variants["dense"]])
    targets = latency_targets(["dense"], LatencySection(backends=["engine"]))
    with ExitStack() as stack:
        runners = latency._load_runners(targets, by_name, TimingResources("cpu", CPU, stack))
    assert list(runners) == ["engine/dense", "engine/dense-control"]
    first, second = (runner.engine for runner in runners.values())
    assert first is not second
    assert first.head.embedding_VH is second.head.embedding_VH


def test_memory_that_runs_out_at_a_large_workload_leaves_the_small_ones(monkeypatch, variants):
    run_interleaved = latency.run_interleaved

    def small_only(runners, prompt_BT, workload, *rest):
        if workload.batch > 1:
            raise torch.OutOfMemoryError("2 GiB\nof 1")
        return run_interleaved(runners, prompt_BT, workload, *rest)

    monkeypatch.setattr(latency, "run_interleaved", small_only)
    section = LatencySection(prompt_tokens=4, new_tokens=2, batch=[4, 2, 1], rounds=5)
    results = measure_latency([variants["dense"]], section, CPU)
    assert {(r.workload["batch"], r.status, r.reason) for r in results} == {
        (1, "ok", None),
        (2, "failed", "out of memory: 2 GiB"),
        (4, "failed", "out of memory: 2 GiB"),
    }


class IdleRunner:
    """A runner that is never run."""

    def layers_run(self, new_tokens):
        return None

    def weight_bytes(self):
        return [0]


def test_ranks_share_out_the_threads(monkeypatch, variants):
    monkeypatch.setattr(runtime_device, "device_count", lambda device: 8)
    times = InterleavedTimes(defaultdict(lambda: [[0.125]]), "rounds")
    monkeypatch.setattr(
        latency, "_load_runners", lambda targets, *_: {t.key: IdleRunner() for t in targets}
    )
    monkeypatch.setattr(latency, "run_interleaved", lambda *args: times)
    five = Runtime(device="cpu", dtype="float32", threads=5, seed=0)
    results = measure_latency([variants["dense"]], LatencySection(ranks=[2]), five)
    threads = {result.backend.name: result.provenance.threads for result in results}
    assert threads == {"engine": 5, "ranks-2": 2, "transformers": 5}


def test_memory_of_a_rank_that_runs_out_fails_the_session(monkeypatch, variants):
    def exhausted(*args, **kwargs):
        raise RankError(f"rank 1 of 2 failed: {error}; its log ends with\n  | (nothing)")

    monkeypatch.setattr(latency, "_load_runners", exhausted)
    error = "OutOfMemoryError: CUDA out of memory."
    results = measure_latency(list(variants.values()), LatencySection(), CPU)
    assert {(result.status, len(result.samples)) for result in results} == {("failed", 0)}
    assert results[0].reason.startswith(f"out of memory: rank 1 of 2 failed: {error}")
    error = "KeyError: 7"
    with pytest.raises(RankError, match="KeyError"):
        measure_latency(list(variants.values()), LatencySection(), CPU)


def test_variants_of_different_models_are_refused(variants):
    other = variants["pairs"].manifest | {"sha256": "0"}
    mixed = [variants["dense"], Variant("far", "dense", dense_plan(4), other)]
    with pytest.raises(ValueError, match=r"\Avariants: [^\n]*\Z"):
        measure_latency(mixed, LatencySection(), CPU)


def test_a_session_runs_once_whether_it_ends_well_or_not():
    calls = []

    def measure(device):
        calls.append(device)
        if device == "small":
            raise MemoryError("full")
        return device

    good, bad = measured_once(measure), measured_once(measure)
    assert [good("cpu"), good("cpu")] == ["cpu", "cpu"]
    for _ in range(2):
        with pytest.raises(MemoryError, match="full"):
            bad("small")
    assert calls == ["cpu", "small"]


def test_a_schedule_comes_back_and_is_what_is_timed(manifest, tmp_path):
    options = {"method": "skipdecode", "max_depth": 4, "min_depth": 2, "tokens": 3}
    write_variant("falling", options, manifest, None, None, tmp_path / "falling.json")
    write_variant("dense", {"method": "dense"}, manifest, None, None, tmp_path / "dense.json")
    falling = read_variant(tmp_path / "falling.json")
    assert [plan.depth for plan in falling.schedule.plans] == [4, 3, 2]
    assert falling.plan == falling.schedule.plans[-1]
    variants = [falling, read_variant(tmp_path / "dense.json")]
    workload = LatencySection(prompt_tokens=4, new_tokens=4, rounds=5)
    results = {(r.backend.name, r.variant): r for r in measure_latency(variants, workload, CPU)}
    assert results["engine", "falling"].schedule == falling.schedule.to_dict()
    assert results["engine", "dense"].schedule is None
    assert list(map(len, results["engine", "falling"].samples)) == [1 + 4] * 5
