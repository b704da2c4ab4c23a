"""Random weights have the shapes and the dtype of a real checkpoint."""

import pytest
import torch

from benchmarks.cost_model.model_shapes import ModelShape
from benchmarks.models.random_weights import llama_config, random_model, random_reader

SHAPE = ModelShape(
    name="tiny", layers=2, hidden=32, intermediate=48, heads=4, kv_heads=2, vocabulary=64
)
CONFIG = llama_config(SHAPE)
WEIGHTS = {name: weight.shape for name, weight in random_model(CONFIG, "cpu").named_parameters()}


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_weight_has_the_shape_that_transformers_gives_it(name):
    weight = random_reader(CONFIG, "cpu")(name)
    assert (weight.shape, weight.dtype) == (WEIGHTS[name], torch.float32)
    assert bool((weight == 1).all()) == ("norm" in name)


def test_pieces_of_another_dtype_are_read_too():
    read = random_reader(CONFIG, "cpu", torch.bfloat16)
    piece = read("model.layers.0.mlp.down_proj.weight", slice(None), slice(0, 24))
    assert (piece.shape, piece.dtype) == ((32, 24), torch.bfloat16)


def test_weights_that_a_llama_lacks_are_none():
    assert random_reader(CONFIG, "cpu")("model.layers.0.mlp.down_proj.bias") is None


def test_the_model_has_as_many_weights_as_the_shape_counts():
    norms = sum(shape.numel() for name, shape in WEIGHTS.items() if "norm" in name)
    assert sum(shape.numel() for shape in WEIGHTS.values()) - norms == SHAPE.weight_elements
