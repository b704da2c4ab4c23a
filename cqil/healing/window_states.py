"""Last hidden states of whole windows under a plan, and what they are worth.

Shape suffixes: B windows, T tokens of a window, S scored positions, H hidden size.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from transformers import DynamicCache

from cqil.healing.losses import language_model_loss
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.plan import LayerPlan


def scored_positions(plan: LayerPlan, window: int, prompt: int) -> slice:
    """Positions of a window whose states `window_states` gives."""
    return slice(0 if plan.prefill is None else prompt - 1, window)


def window_states(
    model: PlannedLlamaForCausalLM, tokens_BT: torch.Tensor, prompt: int
) -> torch.Tensor:
    """States [B, S, H]; every position is scored, unless the plan has its own prefill.

    Such a plan runs the first `prompt` tokens with the prompt's stages and the others through
    those that are kept, over the prompt's keys and values; the prompt's last state predicts the
    first of the others (arXiv 2404.06954, released training code).
    """
    run, half = model.model, model.lm_head.weight.dtype == torch.bfloat16
    # What is trained is float32 whatever the other weights are.
    with torch.autocast(tokens_BT.device.type, torch.bfloat16, enabled=half):
        if model.plan.prefill is None:
            return run(tokens_BT, use_cache=False).last_hidden_state
        cache = DynamicCache(config=model.config)
        before_BTH = run(tokens_BT[:, :prompt], past_key_values=cache, phase="prefill")
        after_BTH = run(tokens_BT[:, prompt:], past_key_values=cache, phase="decode")
    return torch.cat([before_BTH.last_hidden_state[:, -1:], after_BTH.last_hidden_state], 1)


@torch.no_grad()
def cross_entropy(
    model: PlannedLlamaForCausalLM,
    batches: Iterable[torch.Tensor],
    prompt: int,
    scored: slice = slice(None),
) -> tuple[float, int]:
    """Summed cross-entropy in nats of the scored tokens of windows [B, T], and their number.

    `scored`: of the states that the model gives, those that another plan is compared on.
    """
    training = model.training
    model.eval()
    total, count = 0.0, 0
    for tokens_BT in batches:
        states_BSH = window_states(model, tokens_BT, prompt)[:, scored][:, :-1]
        labels_BS = tokens_BT[:, -states_BSH.shape[1] :]
        head_VH = model.lm_head.weight
        total += float(language_model_loss(states_BSH.flatten(0, 1), labels_BS.flatten(), head_VH))
        count += labels_BS.numel()
    model.train(training)
    return total, count
