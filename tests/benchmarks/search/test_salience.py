"""How much layers matter: weights, gradients whose signs cancel over texts, and increments."""

import numpy as np
import pytest
import torch
from tiny_models import tiny_dense, tokens_of

from benchmarks.search.calibration_evaluator import CalibrationEvaluator

pytestmark = pytest.mark.usefixtures("full_float64")
WINDOWS = tokens_of(3, 12)


def salience(dense, folder, kind):
    evaluator = CalibrationEvaluator(dense, WINDOWS.tolist(), 2, folder, "tiny", first_scored=6)
    return evaluator.salience(kind)


def per_window(dense):
    """For each window, layer -> weight x gradient of every weight of the layer."""
    for window in WINDOWS:
        loss = dense(window[None], labels=window[None]).loss
        layers = [list(layer.parameters()) for layer in dense.model.layers]
        gradients = iter(torch.autograd.grad(loss, [w for weights in layers for w in weights]))
        yield [[(w * next(gradients)).detach() for w in weights] for weights in layers]


def test_taylor_sums_with_sign_over_windows_and_is_absolute_after(tmp_path):
    dense = tiny_dense(4)
    windows = list(per_window(dense))
    signed, absolute = [], []
    for index in range(4):
        products = [
            torch.stack(weight) for weight in zip(*(w[index] for w in windows), strict=True)
        ]
        signed.append(sum(float(product.sum(0).abs().sum()) for product in products))
        absolute.append(sum(float(product.abs().sum()) for product in products))
    scores = salience(dense, tmp_path, "taylor")
    np.testing.assert_allclose(scores, signed, rtol=1e-9)
    assert np.all(scores < np.array(absolute))


def test_taylor_leaves_no_gradient_behind(tmp_path):
    dense = tiny_dense(2).requires_grad_(False)
    salience(dense, tmp_path, "taylor")
    assert all(p.grad is None and not p.requires_grad for p in dense.parameters())


def test_magnitude_is_the_sum_of_absolute_weights(tmp_path):
    dense = tiny_dense(3)
    expected = [
        sum(float(w.detach().abs().sum()) for w in layer.parameters())
        for layer in dense.model.layers
    ]
    np.testing.assert_allclose(salience(dense, tmp_path, "magnitude"), expected, rtol=1e-12)


def test_relative_magnitude_is_an_increment_beside_its_output(tmp_path):
    dense = tiny_dense(3)
    states = []
    hooks = [
        layer.register_forward_hook(lambda _, args, out: states.append((args[0], out)))
        for layer in dense.model.layers
    ]
    with torch.inference_mode():
        dense(WINDOWS)
    for hook in hooks:
        hook.remove()
    expected = [float(((y - x).norm(dim=-1) / y.norm(dim=-1)).mean()) for x, y in states]
    np.testing.assert_allclose(salience(dense, tmp_path, "relative"), expected, rtol=1e-9)
