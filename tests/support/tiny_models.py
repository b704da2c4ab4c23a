"""Dense LLaMAs small enough for hundreds of examples, and prompts for them."""

from dataclasses import dataclass

import torch
from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY = 50
PAD = 0


@dataclass(frozen=True)
class Shape:
    """The ways in which one LLaMA checkpoint differs from another."""

    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 4
    tied: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False


def tiny_dense(num_layers, shape=Shape(), seed=0):
    """A random float64 model whose every parameter matters, biases and norms included."""
    config = LlamaConfig(
        num_hidden_layers=num_layers,
        hidden_size=shape.heads * shape.head_dim,
        intermediate_size=24,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        vocab_size=VOCABULARY,
        tie_word_embeddings=shape.tied,
        attention_bias=shape.attention_bias,
        mlp_bias=shape.mlp_bias,
        pad_token_id=PAD,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = LlamaForCausalLM(config).double().eval()
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.4, generator=source)
    return model


def tokens_of(batch, length, seed=1):
    """[batch, length] random tokens, none of them the pad token."""
    source = torch.Generator().manual_seed(seed)
    return torch.randint(PAD + 1, VOCABULARY, (batch, length), generator=source)


def left_padded(ids_BT, padding):
    """The ids with `padding[b]` pads before row b in place of its first tokens, and their mask."""
    positions = torch.arange(ids_BT.shape[1])
    mask_BT = (positions >= torch.tensor(padding)[:, None]).long()
    return torch.where(mask_BT.bool(), ids_BT, PAD), mask_BT
