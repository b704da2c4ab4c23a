"""Losses in chunks equal the plain ones, gradients too."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import examples
from torch.nn import functional as F  # noqa: N812

from cqil.healing.losses import distillation_loss, language_model_loss

VOCABULARY = 11


def drawn(seed, *shape):
    source = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=source, dtype=torch.float64)


@settings(max_examples=examples(30))
@given(
    tokens=st.integers(1, 9),
    chunk=st.integers(1, 10),
    temperature=st.sampled_from([0.5, 1.0, 2.0]),
    seed=st.integers(0, 99),
)
def test_distillation_in_chunks_is_the_plain_one(tokens, chunk, temperature, seed):
    states_NH, teacher_NH, head_VH = (
        drawn(seed + i, *shape) for i, shape in enumerate([(tokens, 3), (tokens, 3), (11, 3)])
    )
    found_NH, wanted_NH = (states_NH.clone().requires_grad_() for _ in range(2))
    found = distillation_loss(found_NH, teacher_NH, head_VH, temperature, chunk)
    teacher_NV = F.softmax(teacher_NH @ head_VH.T / temperature, -1)
    student_NV = F.log_softmax(wanted_NH @ head_VH.T / temperature, -1)
    wanted = temperature**2 * F.kl_div(student_NV, teacher_NV, reduction="sum")
    torch.testing.assert_close(found, wanted)
    (0.3 * found).backward()
    (0.3 * wanted).backward()
    torch.testing.assert_close(found_NH.grad, wanted_NH.grad)


@settings(max_examples=examples(30))
@given(tokens=st.integers(1, 9), chunk=st.integers(1, 10), seed=st.integers(0, 99))
def test_cross_entropy_in_chunks_is_the_plain_one(tokens, chunk, seed):
    states_NH, head_VH = drawn(seed, tokens, 3), drawn(seed + 1, VOCABULARY, 3)
    labels_N = torch.arange(seed, seed + tokens) % VOCABULARY
    found_NH, wanted_NH = (states_NH.clone().requires_grad_() for _ in range(2))
    found = language_model_loss(found_NH, labels_N, head_VH, chunk)
    wanted = F.cross_entropy(wanted_NH @ head_VH.T, labels_N, reduction="sum")
    torch.testing.assert_close(found, wanted)
    found.backward()
    wanted.backward()
    torch.testing.assert_close(found_NH.grad, wanted_NH.grad)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_states_have_a_loss_in_float32(dtype):
    states_NH, head_VH = drawn(0, 4, 3).to(dtype).requires_grad_(), drawn(1, 11, 3).to(dtype)
    loss = distillation_loss(states_NH, drawn(2, 4, 3).to(dtype), head_VH)
    loss.backward()
    assert (loss.dtype, states_NH.grad.dtype) == (torch.float32, dtype)
