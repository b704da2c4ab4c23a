"""`gpu_engine` for real, over a tiny model on a CPU; and what it does without."""

import json
import os
import subprocess
import sys
from itertools import pairwise

from project import ROOT

from benchmarks.engine_bench.gpu_measurement import NEW_TOKENS, ROUNDS, KeptModel
from benchmarks.engine_bench.gpu_settings import SIZES, gpu_settings

UNNEEDED = ("pydantic", "psutil", "pynvml", "scipy", "pandas", "matplotlib", "lm_eval")


def gpu_engine(*arguments):
    command = [sys.executable, "-m", "benchmarks.engine_bench.gpu_engine", *arguments]
    # One thread: two of them wait for each other where other tests run at the same time.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_a_tiny_model_is_measured_on_cpu(tmp_path):
    arguments = ("--sizes", "tiny", "--device", "cpu", "--out", str(tmp_path), "--seconds", "60")
    settings = {setting.name: setting for setting in gpu_settings(["tiny"], "cpu")}
    assert len(settings) == 4 * 2 + 1
    for _ in range(5):  # a busy machine needs the same command again
        done = gpu_engine(*arguments)
        assert done.returncode == 0, done.stderr
        if "time is up" not in done.stdout:
            break
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.json" for name in settings}
    for name, setting in settings.items():
        raw = json.loads((tmp_path / f"{name}.json").read_text())
        assert (raw["setting"], raw["mode"], raw["batch"]) == (name, setting.mode, setting.batch)
        assert raw["plan"] == setting.plan.to_dict()
        assert [len(steps) for steps in raw["rounds"]] == [NEW_TOKENS] * ROUNDS
        seconds = sorted(seconds for steps in raw["rounds"] for seconds in steps)
        assert 0 < seconds[0] <= raw["median_s"] <= seconds[-1]
        assert raw["copy_bytes_per_s"] > 0
        assert (raw["step_bytes"] is None) == (setting.mode == "generate")
        assert (raw["kernels"], raw["gpu_before"]) == ([], {"name": "cpu"})
    again = gpu_engine(*arguments)
    assert (again.returncode, again.stdout) == (0, "")  # nothing is run twice


def test_it_needs_only_torch_and_transformers():
    """With the other dependencies of the suite out of reach it is imported all the same."""
    code = f"""
import sys
for name in {UNNEEDED}:
    sys.modules[name] = None
import benchmarks.engine_bench.gpu_engine
sys.exit("benchmarks.results.schema_parts" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_bad_input_is_refused():
    done = gpu_engine("--out", "unused", "--sizes", "tiny,9B", "--device", "cpu")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        "--sizes: '9B' is unknown; use tiny, 1.3B, 7B, 13B, 33B"
    )
    assert not (ROOT / "unused").exists()


def test_sizes_are_those_of_the_published_models():
    sheared = SIZES["1.3B"]
    assert (sheared.name, sheared.layers, sheared.hidden) == ("Sheared-LLaMA-1.3B", 24, 2048)
    assert (sheared.intermediate, sheared.heads, sheared.kv_heads) == (5504, 16, 16)
    assert {SIZES[size].vocabulary for size in SIZES} == {32000}
    assert [SIZES[size].layers for size in ("7B", "13B", "33B")] == [32, 40, 60]


def test_settings_of_a_gpu_keep_weights_together():
    settings = list(gpu_settings(["7B"], "cuda"))
    assert len({setting.name for setting in settings}) == len(settings)
    weights = [(setting.size, setting.plan, setting.mode == "generate") for setting in settings]
    changes = sum(before != after for before, after in pairwise(weights))
    assert changes == 4  # dense, groups of 2, 4 and 8, then generate
    compiled = [setting for setting in settings if setting.mode == "compiled"]
    assert {(setting.batch, setting.context) for setting in compiled} == {(1, 128)}
    assert len(compiled) == 4


def test_one_model_is_kept():
    made, kept = [], KeptModel("cpu")
    for key in ("a", "a", "b", "a"):
        assert kept.get((key,), lambda key=key: made.append(key) or key) == key
    assert made == ["a", "b", "a"]
