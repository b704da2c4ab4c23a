"""Similarity of layer inputs equals a direct computation, over windows of different lengths."""

import numpy as np
import pytest
import torch
from tiny_models import Shape, tiny_dense, tokens_of

from cqil.modeling.layer_similarity import measure_similarity

LAYERS = 4
WINDOWS = [tokens_of(1, length, seed)[0].tolist() for seed, length in enumerate([7, 3, 5, 1])]


@pytest.fixture(scope="module")
def dense():
    return tiny_dense(LAYERS, Shape(kv_heads=1))


@pytest.fixture(scope="module")
def measured(dense):
    return measure_similarity(dense, WINDOWS)


def states_of(dense, window):
    """[L+1, T, H]: the embedding and the output of each layer, before the final norm."""
    x_BTH = dense.model.embed_tokens(torch.tensor([window]))
    positions_BT = torch.arange(len(window))[None]
    rotary = dense.model.rotary_emb(x_BTH, position_ids=positions_BT)
    states = [x_BTH[0]]
    for layer in dense.model.layers:
        x_BTH = layer(x_BTH, position_embeddings=rotary, position_ids=positions_BT)
        states.append(x_BTH[0])
    return torch.stack(states)


def cosine(a_H, b_H):
    return float(a_H @ b_H / (a_H.norm() * b_H.norm()))


def directly(dense, value):
    """[L+1, L+1]: mean of all numbers that `value` gives for two states of every window."""
    matrix = np.zeros((LAYERS + 1, LAYERS + 1))
    with torch.no_grad():
        states = [states_of(dense, window) for window in WINDOWS]
    for i in range(LAYERS + 1):
        for j in range(LAYERS + 1):
            matrix[i, j] = np.mean([v for s_STH in states for v in value(s_STH[i], s_STH[j])])
    return matrix


def test_cosine_is_the_mean_over_all_tokens(dense, measured):
    expected = directly(dense, lambda a_TH, b_TH: map(cosine, a_TH, b_TH))
    np.testing.assert_allclose(measured.cosine, expected, atol=1e-6)


def test_angle_is_the_mean_over_texts_at_the_last_token(dense, measured):
    def angle(a_TH, b_TH):
        return [np.arccos(np.clip(cosine(a_TH[-1], b_TH[-1]), -1, 1)) / np.pi]

    # Measured in float32: close to 1, the arc cosine magnifies what is rounded there.
    np.testing.assert_allclose(measured.angular_last, directly(dense, angle), atol=1e-3)


def test_influence_is_that_of_each_layers_input_and_output(dense, measured):
    expected = directly(dense, lambda a_TH, b_TH: map(cosine, a_TH, b_TH))
    influence = [1 - expected[layer, layer + 1] for layer in range(LAYERS)]
    assert measured.block_influence.shape == (LAYERS,)
    np.testing.assert_allclose(measured.block_influence, influence, atol=1e-6)


def test_matrices_are_symmetric_and_states_equal_themselves(measured):
    for matrix, self_value, slack in [(measured.cosine, 1, 1e-6), (measured.angular_last, 0, 1e-3)]:
        assert matrix.shape == (LAYERS + 1, LAYERS + 1)
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-7)
        np.testing.assert_allclose(np.diagonal(matrix), self_value, atol=slack)
        assert np.ptp(matrix) > 0.05


def test_windows_are_taken_one_by_one(dense, measured):
    streamed = measure_similarity(dense, (window for window in WINDOWS))
    np.testing.assert_array_equal(streamed.cosine, measured.cosine)
    np.testing.assert_array_equal(streamed.angular_last, measured.angular_last)


def hooks(dense):
    return [h for m in dense.modules() for h in (*m._forward_hooks, *m._forward_pre_hooks)]


def test_hooks_are_removed_afterwards(dense):
    measure_similarity(dense, WINDOWS[:1])
    assert hooks(dense) == []


def test_hooks_are_removed_after_a_fault(dense):
    def windows():
        yield WINDOWS[0]
        assert len(hooks(dense)) == LAYERS + 1
        raise OSError("text is gone")

    with pytest.raises(OSError, match="text is gone"):
        measure_similarity(dense, windows())
    assert hooks(dense) == []


def test_no_window_is_refused(dense):
    with pytest.raises(ValueError, match=r"\Acalibration: [^\n]*\Z"):
        measure_similarity(dense, [])
    assert hooks(dense) == []
