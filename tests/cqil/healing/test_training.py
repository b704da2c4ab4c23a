"""Training: it begins at the unhealed plan, heals it, resumes, and edits hold what it found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import training_cases
from peft import PeftModel
from tiny_models import tiny_dense
from training_cases import HELD_OUT, PAIRS, full, lora, trainer

from cqil import LayerPlan, dense_plan, kept_layers_plan, uniform_plan
from cqil.edits.adapter_file import adapter_files
from cqil.edits.digests import files_digest
from cqil.edits.edited_weights import apply_edits
from cqil.edits.weight_edit import Adapter
from cqil.healing.trained_files import full_weights, save_adapter
from cqil.healing.training import TrainingError
from cqil.healing.training_options import LoraOptions
from cqil.healing.training_state import TrainingCheckpoint
from cqil.healing.window_states import window_states
from cqil.modeling import PlannedLlamaForCausalLM

pytestmark = pytest.mark.usefixtures("full_float64")
PLANS = {
    "pairs": PAIRS,
    "released bypass": uniform_plan(6, 1, 5, 2, bypass=1, target="ffn+residual"),
    "removed": kept_layers_plan(6, [0, 1, 4]),
    "skipped": kept_layers_plan(6, [0, 2, 5], prompt_dense=True),
    "halves": LayerPlan(num_layers=4, groups=[[0], ["1.attn", "2.mlp"], [3]]),
    "ladder": LayerPlan(num_layers=3, groups=[[0], [1], [2]], ladder=(0, 2)),
}


@torch.no_grad()
def logits(model, prompt=6):
    model.eval()
    return model.lm_head(window_states(model, torch.tensor(HELD_OUT), prompt))


def planned(plan, dense=None):
    return PlannedLlamaForCausalLM.from_dense(dense or tiny_dense(plan.num_layers), plan)


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("options", [lora(), full()], ids=["lora", "full"])
def test_no_step_is_the_unhealed_plan(name, options):
    options = options.model_copy(update={"tokens": 0})
    run = trainer(PLANS[name], options)
    (point,) = run.train()
    assert point.step == 0
    assert torch.equal(logits(run.student.model), logits(planned(PLANS[name])))


@pytest.mark.parametrize("loss", ["distillation", "language-model"])
@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_loss_falls_and_the_teacher_stays(name, loss, method):
    dense = tiny_dense(PLANS[name].num_layers)
    before = {key: weight.clone() for key, weight in dense.state_dict().items()}
    options = lora(loss=loss) if method == "lora" else full(loss=loss)
    run = trainer(PLANS[name], options.model_copy(update={"tokens": 480}), dense=dense)
    points = run.train()
    assert [point.tokens for point in points] == list(range(0, 481, 48))
    assert points[-1].loss < points[1].loss
    assert all(torch.equal(weight, before[key]) for key, weight in dense.state_dict().items())


def test_the_teacher_is_the_dense_model():
    (_, point) = trainer(dense_plan(3), lora(tokens=48)).train()
    assert point.loss == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", ["pairs", "skipped"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_resumed_training_is_the_unbroken_one(name, method, tmp_path):
    options = lora(dropout=0.2, schedule="cosine", warmup=0.2)
    options = options if method == "lora" else full(schedule="cosine")
    unbroken, kept = trainer(PLANS[name], options), []
    file = tmp_path / "checkpoint.pt"

    def keep(checkpoint):
        if not kept:
            torch.save(checkpoint.to_dict(), file)
        kept.append(len(checkpoint.points))

    points = unbroken.train(keep, every=2)
    assert kept == [3, 5, 6]
    resumed = trainer(PLANS[name], options)
    earlier = TrainingCheckpoint.from_dict(torch.load(file, weights_only=True))
    again = resumed.train(earlier=earlier, every=2)
    assert [point.loss for point in again] == pytest.approx([p.loss for p in points], abs=1e-9)
    torch.testing.assert_close(
        logits(resumed.student.model), logits(unbroken.student.model), rtol=0, atol=1e-9
    )


# peft 0.21 asks Transformers 5.23 under a deprecated name.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("layers", ["all", "changed"])
def test_the_saved_adapter_is_of_the_dense_model(name, layers, tmp_path):
    plan, options = PLANS[name], lora(layers=layers)
    run = trainer(plan, options)
    run.train()
    save_adapter(run.student, options, "tiny", tmp_path)
    dense = tiny_dense(plan.num_layers)
    apply_edits(dense, [Adapter(str(tmp_path), files_digest(adapter_files(tmp_path)))])
    expected = logits(run.student.model)
    torch.testing.assert_close(logits(planned(plan, dense)), expected, rtol=1e-5, atol=1e-5)
    merged = PeftModel.from_pretrained(tiny_dense(plan.num_layers), tmp_path).merge_and_unload()
    torch.testing.assert_close(logits(planned(plan, merged)), expected)


@pytest.mark.parametrize("name", PLANS)
def test_whole_weights_are_those_of_the_dense_model(name):
    run = trainer(PLANS[name], full())
    run.train()
    dense, weights = tiny_dense(PLANS[name].num_layers), full_weights(run.student, torch.float64)
    assert all(".layers." in key for key in weights)
    dense.load_state_dict(weights, strict=False)
    assert torch.equal(logits(planned(PLANS[name], dense)), logits(run.student.model))


def test_training_starts_from_refitted_weights():
    name = "model.layers.2.mlp.down_proj.weight"
    edited = {name: tiny_dense(6).state_dict()[name] * 1.5}
    run = trainer(PLANS["pairs"], lora(tokens=0), edited)
    run.train()
    dense = tiny_dense(6)
    dense.load_state_dict(edited, strict=False)
    assert torch.equal(logits(run.student.model), logits(planned(PLANS["pairs"], dense)))


def test_two_processes_train_as_one_does(tmp_path):
    """A step is shared, so that its loss and what it changes are the same."""
    alone = trainer(PAIRS, lora())
    alone.train(every=2)
    file = tmp_path / "trained.pt"
    launch = ["accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1"]
    kinds = ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command = [sys.executable, "-m", *launch, *kinds, training_cases.__file__, str(file)]
    environment = os.environ | {"PYTHONPATH": str(Path(training_cases.__file__).parent)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    together = torch.load(file, weights_only=True)
    for found, point in zip(together["losses"], alone.points, strict=True):
        assert found == pytest.approx((point.loss, point.held_out), abs=1e-9)
    for name, weight in alone.student.trained.items():
        torch.testing.assert_close(together["weights"][name], weight.detach(), rtol=0, atol=1e-9)


def test_gradient_checkpointing_changes_nothing():
    options = lora()
    plain, checkpointed = (
        trainer(PLANS["pairs"], options.model_copy(update={"gradient_checkpointing": flag})).train()
        for flag in (False, True)
    )
    assert [p.loss for p in checkpointed] == pytest.approx([p.loss for p in plain], abs=1e-12)


def test_a_loss_that_is_no_number_is_one_line():
    options = lora(learning_rate=1e300)
    line = r"\Alearning_rate: the loss is \S+ in step \d+ at 1e\+300; lower it; [^\n]*kept\Z"
    with pytest.raises(TrainingError, match=line):
        trainer(PLANS["pairs"], options).train(every=1)


def test_skipping_with_gradient_checkpointing_is_refused():
    options = lora(gradient_checkpointing=True)
    with pytest.raises(ValueError, match=r"\Agradient_checkpointing: [^\n]*leave it off\Z"):
        trainer(PLANS["skipped"], options)


def test_the_released_recipe_is_the_default():
    recipe = LoraOptions(tokens=524_288_000)
    assert (recipe.steps(2048), recipe.windows_of_step(2048)) == (8000, 32)
    assert {recipe.rate(step, 8000) for step in (0, 4000, 7999)} == {1e-4}
