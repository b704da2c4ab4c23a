"""Stock LLaMA rounds norms and angles to float32 in any dtype; comparing at 1e-9 needs more."""

from contextlib import contextmanager

import pytest
from torch.nn import functional as F  # noqa: N812
from transformers.models.llama.modeling_llama import LlamaRMSNorm, LlamaRotaryEmbedding


@contextmanager
def full_float64():
    """Norms and rotary angles of LLaMA models are computed in float64."""
    with float64_norms(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(LlamaRotaryEmbedding, "forward", _rotary)
        yield


@contextmanager
def float64_norms():
    """Norms of LLaMA models are computed in float64; angles stay those of Transformers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LlamaRMSNorm, "forward", _norm)
        yield


def _norm(self, hidden_states):
    return F.rms_norm(hidden_states, self.weight.shape, self.weight, self.variance_epsilon)


def _rotary(self, x, position_ids):
    angles = (position_ids[..., None] * self.inv_freq.double()).repeat(1, 1, 2)
    return angles.cos(), angles.sin()
