"""The engine on one GPU, over random weights of LLaMA shapes. Needs only torch and transformers.

    python -m benchmarks.engine_bench.gpu_engine --out benchmarks/history/<date>-<gpu>

For each size it times dense and groups of 2, 4 and 8 layers over the middle of the stack, in eager,
CUDA graph and compiled steps, beside `generate` of Transformers and the copy bandwidth of the card.
Weights are random, so the results say nothing about quality. Each setting is one JSON file; a
setting whose file exists is not run again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from benchmarks.engine_bench.gpu_measurement import KeptModel, measure_setting
from benchmarks.engine_bench.gpu_settings import SIZES, gpu_settings
from benchmarks.results.files import write_json


def main() -> None:
    """Measures the settings of the chosen sizes until time is up."""
    arguments = _arguments()
    deadline, kept = time.monotonic() + arguments.seconds, KeptModel(arguments.device)
    for setting in gpu_settings(arguments.sizes, arguments.device):
        path = arguments.out / f"{setting.name}.json"
        if path.exists():
            continue
        if time.monotonic() > deadline:
            print(f"time is up before {setting.name}; run the same command again")
            return
        result = measure_setting(setting, kept)
        write_json(path, result, compact=True)
        print(f"{setting.name}: {1e3 * result['median_s']:.3f} ms", flush=True)


def _arguments() -> argparse.Namespace:
    """The command line; a wrong value is one line and exit code 2."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="Folder for the raw results")
    parser.add_argument("--sizes", default="7B,1.3B,13B,33B", help="Of " + ", ".join(SIZES))
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument(
        "--seconds", type=float, default=540, help="Seconds after which no setting is started"
    )
    arguments = parser.parse_args()
    arguments.sizes = arguments.sizes.split(",")
    for size in arguments.sizes:
        if size not in SIZES:
            parser.error(f"--sizes: {size!r} is unknown; use {', '.join(SIZES)}")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device: this machine has no CUDA device; use cpu")
    return arguments


if __name__ == "__main__":
    main()
