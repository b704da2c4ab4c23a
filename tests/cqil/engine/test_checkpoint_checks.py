"""Checkpoints on disk: what cannot run is refused in one line, and a rank reads only its part."""

import json
import re

import pytest
import torch
from rank_functions import tensors_read
from safetensors.torch import load_file, save_file
from tiny_models import Shape, tiny_dense, tokens_of
from transformers import LlamaForCausalLM

from cqil import LayerPlan, dense_plan, kept_layers_plan, uniform_plan
from cqil.checkpoint import open_checkpoint
from cqil.checkpoint.weight_files import INDEX_FILE
from cqil.engine import Engine
from cqil.engine.checkpoint_checks import check_checkpoint
from cqil.engine.parallel.layout import ONE_DEVICE, Layout
from cqil.plan.schedule import Schedule

DENSE = dense_plan(4)
FILE = "model.safetensors"
BIASED = Shape(attention_bias=True, mlp_bias=True)
BIAS = "model.layers.2.self_attn.q_proj.bias"
UP = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture
def folder(tmp_path):
    """A model of four layers in one file."""
    tiny_dense(4).save_pretrained(tmp_path)
    return tmp_path


def change_tensors(folder, change):
    tensors = load_file(folder / FILE)
    change(tensors)
    save_file(tensors, folder / FILE, metadata={"format": "pt"})


def change_config(folder, **fields):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def error_of(folder, plan=DENSE, layout=ONE_DEVICE):
    """The one line that both the check and, on one device, the engine raise."""
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as checked:
        check_checkpoint(open_checkpoint(folder), plan, layout)
    if layout.world_size == 1:
        with pytest.raises(ValueError, match=re.escape(str(checked.value))):
            Engine.load(str(folder), plan)
    return str(checked.value)


@pytest.mark.parametrize("shape", [Shape(), Shape(tied=True), BIASED], ids=repr)
@pytest.mark.parametrize("size", ["1MB", "4KB"])
def test_whole_checkpoints_pass(tmp_path, shape, size):
    tiny_dense(4, shape).save_pretrained(tmp_path, max_shard_size=size)
    checkpoint = open_checkpoint(tmp_path)
    check_checkpoint(
        checkpoint,
        uniform_plan(4, 0, 4, 2, 1),
        Layout(group_parallel_size=2, tensor_parallel_size=4),
    )
    check_checkpoint(checkpoint, Schedule((DENSE,)), ONE_DEVICE)


def test_plan_for_another_depth(folder):
    assert "3 layers, the checkpoint has 4" in error_of(folder, dense_plan(3))


def test_layouts_that_do_not_fit(folder):
    error = error_of(folder, uniform_plan(4, 0, 3, 3), Layout(group_parallel_size=2))
    assert error.startswith("group_parallel_size: 2, but stage [0, 1, 2]")
    assert error_of(folder, layout=Layout(tensor_parallel_size=5)).startswith(
        "tensor_parallel_size: 5, but the model has 4"
    )
    sharded = Layout(group_parallel_size=2, tensor_parallel_size=3, ungrouped_layers="shard")
    assert error_of(folder, layout=sharded).startswith(
        "tensor_parallel_size: 6, but the model has 4"
    )


def test_missing_shard(tmp_path):
    tiny_dense(4).save_pretrained(tmp_path, max_shard_size="4KB")
    gone = sorted(tmp_path.glob("*.safetensors"))[3]
    gone.unlink()
    assert f"shard {gone.name} is missing" in error_of(tmp_path)


def test_half_a_file_and_none(folder):
    whole = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(whole[: len(whole) // 2])
    assert f"{FILE}: is damaged" in error_of(folder)
    (folder / FILE).unlink()
    assert "holds neither model.safetensors nor" in error_of(folder)


def test_shard_without_the_tensor_that_its_index_names(tmp_path):
    tiny_dense(4).save_pretrained(tmp_path, max_shard_size="4KB")
    index = json.loads((tmp_path / INDEX_FILE).read_text())
    index["weight_map"][UP] = index["weight_map"]["model.norm.weight"]
    (tmp_path / INDEX_FILE).write_text(json.dumps(index))
    assert UP in error_of(tmp_path)


@pytest.mark.parametrize("name", [UP, "model.norm.weight", "lm_head.weight", BIAS])
def test_missing_tensor(tmp_path, name):
    tiny_dense(4, BIASED).save_pretrained(tmp_path)
    change_tensors(tmp_path, lambda tensors: tensors.pop(name))
    assert error_of(tmp_path).startswith(f"{name}: not in the checkpoint")


@pytest.mark.parametrize("name", [UP, "model.layers.3.input_layernorm.weight", BIAS])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite(tmp_path, name, value):
    tiny_dense(4, BIASED).save_pretrained(tmp_path)
    change_tensors(tmp_path, lambda tensors: tensors[name].view(-1)[-1].fill_(value))
    assert error_of(tmp_path).startswith(f"{name}: holds NaN or infinity")
    check_checkpoint(open_checkpoint(tmp_path), kept_layers_plan(4, [0]), ONE_DEVICE)


def test_layers_of_later_plans_are_checked(folder):
    change_tensors(folder, lambda tensors: tensors.pop(UP))
    plans = kept_layers_plan(4, [0, 2]), LayerPlan(num_layers=4, groups=[[0], ["1.mlp"]])
    assert error_of(folder, Schedule(plans, (0, 3))).startswith(UP)


@pytest.mark.parametrize("name", [UP, BIAS, "model.embed_tokens.weight"])
def test_shape_that_the_configuration_does_not_say(tmp_path, name):
    tiny_dense(4, BIASED).save_pretrained(tmp_path)
    change_tensors(tmp_path, lambda tensors: tensors.update({name: tensors[name][1:].clone()}))
    with pytest.raises(ValueError, match=rf"\A{name}: is \([^\n]*config.json says \([^\n]*\Z"):
        open_checkpoint(tmp_path)


def test_biases_that_the_configuration_denies_are_left_out(tmp_path):
    tiny_dense(4, BIASED).save_pretrained(tmp_path)
    change_config(tmp_path, attention_bias=False, mlp_bias=False)
    loaded, ids_BT = Engine.load(str(tmp_path), DENSE, dtype=torch.float64), tokens_of(1, 3)
    stock = LlamaForCausalLM.from_pretrained(tmp_path, dtype=torch.float64)
    torch.testing.assert_close(loaded.prefill(ids_BT, max_tokens=3), stock(ids_BT).logits[:, -1])


def test_llamas_of_another_kind(folder):
    change_config(folder, hidden_act="gelu")
    assert error_of(folder).startswith("hidden_act: 'gelu'")
    change_config(folder, hidden_act="silu", quantization_config={"quant_method": "gptq"})
    assert error_of(folder).startswith("quantization_config: ")


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    "layout",
    [Layout(group_parallel_size=2), Layout(tensor_parallel_size=2)],
    ids=["group-parallel", "tensor-parallel"],
)
def test_a_rank_reads_what_it_holds(two_ranks, tmp_path, layout, tied):
    dense = tiny_dense(4, Shape(tied=tied))
    dense.float().save_pretrained(tmp_path)
    plan = uniform_plan(4, 0, 4, 2)
    whole = {name: tensor.nbytes for name, tensor in dense.state_dict().items()}
    by_rank = two_ranks.run(tensors_read, tmp_path, plan, layout)
    for rank, (read_bytes, weight_bytes) in enumerate(by_rank):
        # Norms within layers are folded into the next projection; the final norm is kept.
        large = sum(size for name, size in read_bytes.items() if not name.endswith("norm.weight"))
        assert large + whole["model.norm.weight"] == weight_bytes
        layers = [int(name.split(".")[2]) for name in read_bytes if ".layers." in name]
        if layout.group_parallel_size == 2:
            assert set(layers) == {rank, rank + 2}
            assert ("model.embed_tokens.weight" in read_bytes) == (rank == 0)
        else:
            parts = [name for name in read_bytes if name.endswith("proj.weight")]
            assert all(2 * read_bytes[name] == whole[name] for name in parts)
            assert len(parts) == 4 * 7
