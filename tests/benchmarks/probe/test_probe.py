"""The probe for real: one rank, then two over gloo, at sizes that take no time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.cost_model.fits import fit_line, fit_steps
from benchmarks.cost_model.machine import Machine, load_machine
from benchmarks.cost_model.model_shapes import ModelShape
from benchmarks.cost_model.step_time import predict_step
from benchmarks.cost_model.step_workload import StepWorkload
from benchmarks.probe.probe import run_probe
from benchmarks.probe.rank_samples import ProbeEffort
from benchmarks.results.files import write_json
from benchmarks.results.probe_record import MachineProbe
from benchmarks.runtime.device import Runtime
from benchmarks.runtime.errors import UnavailableError
from cqil.engine.parallel.layout import Layout
from cqil.plan import dense_plan, uniform_plan

SHAPE = ModelShape(
    name="tiny", layers=4, hidden=32, intermediate=48, heads=4, kv_heads=2, vocabulary=64
)
TINY = ProbeEffort(
    rounds=2,
    repeats=3,
    large_bytes=2**16,
    matmul_size=16,
    load_bytes=2**13,
    steps=2,
    context=4,
)
RUNTIME = Runtime(device="cpu", dtype="float32", threads=2, seed=0)


@pytest.fixture(scope="module")
def measured():
    return run_probe(RUNTIME, [2], shape=SHAPE, effort=TINY, sizes=(256, 1024))


def test_every_part_is_there_once(measured):
    kinds = {(m.kind, m.ranks, m.mode, m.size) for m in measured.messages}
    assert kinds == {
        (kind, 2, mode, size)
        for kind in ("all_reduce", "broadcast", "send")
        for mode in ("eager", "under_load")
        for size in (256, 1024)
    }
    ranks_and_active = {(1, 1), (2, 1), (2, 2)}
    assert {(r.what, r.ranks, r.active_ranks) for r in measured.throughputs} == {
        (what, *counts) for what in ("copy", "read", "matmul") for counts in ranks_and_active
    }
    assert {(s.ranks, s.active_ranks, s.stages) for s in measured.steps} == {
        (*counts, stages) for counts in ranks_and_active for stages in (4, 2, 1)
    }
    assert [record.mode for record in measured.launches] == ["eager"]
    assert measured.provenance.device == "cpu"


def test_raw_samples_are_kept_and_take_time(measured):
    for record in (*measured.messages, *measured.throughputs, *measured.steps, *measured.launches):
        assert len(record.seconds) == TINY.rounds
    timed = [*measured.throughputs, *measured.steps, *measured.launches]
    timed += [m for m in measured.messages if m.mode == "eager"]
    assert all(seconds > 0 for record in timed for seconds in record.seconds)


def test_steps_of_fewer_stages_read_the_same_bytes(measured):
    assert len({record.bytes for record in measured.steps}) == 1


def test_a_probe_file_is_a_machine(measured, tmp_path):
    path = tmp_path / "here.json"
    write_json(path, measured.model_dump())
    machine = load_machine(str(path))
    assert not machine.projected
    assert machine.name == "here"
    plan = uniform_plan(4, 0, 4, 2)
    for layout in (Layout(), Layout(group_parallel_size=2), Layout(tensor_parallel_size=2)):
        assert predict_step(plan, layout, SHAPE, machine, StepWorkload(itemsize=4)).total_s > 0
    with pytest.raises(
        ValueError, match=r"^mode: 'cuda_graph' was not probed on this machine; use eag"
    ):
        load_machine(str(path), "cuda_graph")


def test_a_file_that_is_no_probe_is_one_line(tmp_path):
    path = tmp_path / "other.json"
    path.write_text("{}")
    message = r"\A[^\n]*other.json: holds no probe [^\n]*make probe again\Z"
    with pytest.raises(ValueError, match=message):
        load_machine(str(path))


def test_more_ranks_than_cores_are_refused():
    with pytest.raises(UnavailableError, match=r"^ranks: 4096, but this machine has"):
        run_probe(RUNTIME, [4096], shape=SHAPE, effort=TINY)


def test_messages_under_load_are_preferred(measured):
    """A model's messages wait for ranks that compute, so they count."""
    one_size = [m.model_copy(update={"seconds": [5.0]}) for m in measured.messages[:1]]
    one_size.append(one_size[0].model_copy(update={"mode": "under_load", "seconds": [7.0]}))
    changed = MachineProbe.model_validate(measured.model_dump() | {"messages": one_size})
    assert Machine.of_probe(changed).link("all_reduce", 2).alpha_s == 7.0


def test_lines_are_robust():
    sizes = [1e3, 4e3, 16e3, 64e3, 256e3]
    times = [1e-5 + 2e-9 * size for size in sizes]
    assert fit_line(sizes, times) == pytest.approx((1e-5, 2e-9))
    disturbed = [*times[:2], times[2] * 50, *times[3:]]
    assert fit_line(sizes, disturbed) == pytest.approx((1e-5, 2e-9), rel=0.2)
    assert fit_line(sizes, [5.0, 4.0, 3.0, 2.0, 1.0]).beta == 0


def test_what_grows_with_stages_is_launches():
    seconds = [30e-3 + 0.01, 15e-3 + 0.01, 8e-3 + 0.01]
    assert fit_steps([30, 15, 8], seconds, bytes_read=1e9) == pytest.approx((1e-3, 1e11))


def test_the_model_of_a_dense_step_gives_the_probed_time_back(measured):
    """Steps that follow the model exactly are predicted exactly."""
    machine = Machine.of_probe(measured)
    record = next(s for s in measured.steps if (s.ranks, s.stages) == (1, 4))
    exact = replace(machine, rates={(1, 1): replace(machine.rate(1, 1), flops_per_s=float("inf"))})
    rate = exact.rate(1, 1)
    predicted_s = predict_step(
        dense_plan(4), Layout(), SHAPE, exact, StepWorkload(itemsize=4, context=6)
    ).total_s
    assert predicted_s == pytest.approx(
        4 * rate.stage_s + record.bytes / rate.bytes_per_s, rel=0.02
    )
