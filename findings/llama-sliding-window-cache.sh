#!/usr/bin/env bash
# A LLaMA whose config.json has `sliding_window`: the model attends to all tokens, the cache does not.
#
# transformers 5.23.0, torch 2.13.0 (CPU), Python 3.11. `LlamaConfig` has no such field, but keeps it;
# the attention of LlamaForCausalLM ignores it, while DynamicCache(config=...), which `generate` makes,
# drops all keys but the last ones. So `generate` writes other tokens with its cache than without.
#
# Seen: without the key both texts are equal and the logits differ by 1e-15; with sliding_window=8
# and a prompt of 24 tokens the logits differ by 6.8 and the second token is another one.
#
# Exits 0 while that is so, 1 once it is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 transformers==5.23.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

PROMPT_BT = torch.arange(1, 25)[None]


def compare(**extra):
    """Largest difference of the last logits, and the texts with and without a cache."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, initializer_range=0.3, **extra,
    )
    model = LlamaForCausalLM(config).double().eval()
    with torch.no_grad():
        whole = model(PROMPT_BT, use_cache=False).logits[:, -1]
        cache = DynamicCache(config=config)
        model(PROMPT_BT[:, :-1], past_key_values=cache)
        cached = model(PROMPT_BT[:, -1:], past_key_values=cache).logits[:, -1]
        texts = [
            model.generate(
                PROMPT_BT, max_new_tokens=8, do_sample=False, use_cache=use_cache, pad_token_id=0
            )[0, 24:].tolist()
            for use_cache in (True, False)
        ]
    return float((whole - cached).abs().max()), *texts


for name, extra in (("no key", {}), ("sliding_window=8", {"sliding_window": 8})):
    difference, with_cache, without = compare(**extra)
    print(f"{name}: {difference:.1e}\n  with cache    {with_cache}\n  without cache {without}")
sys.exit(0 if difference > 1 and with_cache != without else 1)
PYTHON
