"""Small trainings of a random model. As a script it trains, and its first process saves."""

import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from full_precision import full_float64
from tiny_models import tiny_dense, tokens_of

from cqil import uniform_plan
from cqil.healing.student import full_student, lora_student
from cqil.healing.training import Trainer
from cqil.healing.training_options import FullOptions, LoraOptions

WINDOWS = tokens_of(8, 12).tolist()
HELD_OUT = tokens_of(3, 12, seed=2).tolist()
PAIRS = uniform_plan(6, 1, 5, 2)
SMALL = {"step_tokens": 48, "batch": 2, "tokens": 240, "learning_rate": 1e-2, "rank": 4, "alpha": 8}


def lora(**options):
    return LoraOptions(**SMALL | options)


def full(**options):
    kept = {key: value for key, value in (SMALL | options).items() if key not in ("rank", "alpha")}
    return FullOptions(**kept)


def trainer(plan, options, edited=None, dense=None):
    """A training of a random dense model, the same each time."""
    dense = tiny_dense(plan.num_layers) if dense is None else dense
    torch.manual_seed(0)
    make = lora_student if isinstance(options, LoraOptions) else full_student
    student = make(dense, plan, edited or {}, options)
    return Trainer(dense, student, WINDOWS, HELD_OUT, options, Accelerator(cpu=True))


def main(file: Path) -> None:
    run = trainer(PAIRS, lora())
    with full_float64():
        run.train(every=2)
    if run.accelerator.is_main_process:
        losses = [(point.loss, point.held_out) for point in run.points]
        weights = {name: weight.detach() for name, weight in run.student.trained.items()}
        torch.save({"losses": losses, "weights": weights}, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
