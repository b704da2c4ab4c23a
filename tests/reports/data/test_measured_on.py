"""What results were measured on, in words."""

from __future__ import annotations

import pytest
from made_up_results import LATENCY, PROVENANCE, MadeUpRun

from reports.data.load_results import load_results
from reports.data.measured_on import latency_machine, latency_setting, machine, machines


@pytest.fixture
def results(folder):
    return load_results(folder)


def test_a_machine_is_its_chips_device_and_threads():
    one_device = MadeUpRun().latency_result("dense")
    assert machine(one_device) == "Imaginary CPU; device cpu, 2 of 4 threads, float32"
    ranks = MadeUpRun().latency_result("dense", "ranks-2")
    assert machine(ranks) == "Imaginary CPU; device cpu, 2 ranks of 1 of 4 threads, float32"
    hardware = PROVENANCE.hardware.model_copy(update={"accelerators": ["Imaginary GPU"]})
    on_gpu = PROVENANCE.model_copy(update={"hardware": hardware, "device": "cuda"})
    on_gpu = one_device.model_copy(update={"provenance": on_gpu})
    assert machine(on_gpu).startswith("Imaginary CPU, Imaginary GPU; device cuda")


def test_machines_are_listed_with_what_was_measured_on_them(results):
    one_device, ranks = machines(results)
    assert one_device.startswith("latency, multiple choice, perplexity: Imaginary CPU; device cpu")
    assert ranks.startswith("latency: Imaginary CPU; device cpu, 2 ranks")


def test_a_caption_names_workload_machine_and_ranks(results):
    assert latency_setting(results) == (
        f"Prompt of 8 tokens, 3 decoded, batch 1; {latency_machine(results)}. "
        "2 ranks: processes of 1 thread each, linked by gloo."
    )


def test_several_workloads_share_a_caption(tmp_path):
    latency = LATENCY | {"batch": [1, 2], "prompt_tokens": [8, 16]}
    setting = latency_setting(load_results(MadeUpRun(latency=latency).fill(tmp_path)))
    assert setting.startswith("Prompt of 8 or 16 tokens, 3 decoded, batch 1 or 2; ")


def test_without_latency_there_is_no_setting(tmp_path):
    results = load_results(MadeUpRun(latency=None).fill(tmp_path))
    assert latency_setting(results) == "Nothing was timed."
