"""Early exit for tests: the naive maths, the engine and the reference model over one case."""

import torch
from equality import STEPS
from hypothesis import strategies as st
from reference import Reference
from strategies import cases
from tiny_models import left_padded, tokens_of

from cqil.engine import Engine
from cqil.engine.options import EngineOptions
from cqil.modeling import PlannedLlamaForCausalLM
from cqil.modeling.early_exit import EarlyExitHooks
from cqil.plan.early_exit_rule import EarlyExitRule
from cqil.plan.stages import has_attention, layer_of

# Thresholds at which tokens of tiny random models leave anywhere between the ends.
early_exit_rules = st.one_of(
    st.builds(EarlyExitRule, st.just("softmax-gap"), st.floats(0.005, 0.1), st.integers(1, 3)),
    st.builds(EarlyExitRule, st.just("saturation"), st.floats(0.3, 0.97), st.integers(1, 3)),
)


def single_steps(own_prefill):
    """Plans that tokens can leave after any stage: none within a ladder."""
    return cases(own_prefill).filter(lambda case: case.plan.ladder is None)


class OneByOne(Reference):
    """The naive maths, in which a decoded token may leave; `depths` tells after how many stages."""

    def __init__(self, dense, plan, rule):
        super().__init__(dense, plan)
        self.rule = rule

    def logits(self, tokens, prompt_length):
        memory = {layer: ([], []) for layer in range(self.plan.num_layers)}
        rows, self.depths = [], []
        for position, token in enumerate(tokens):
            x_H = self.weights["model.embed_tokens.weight"][token]
            if position < prompt_length:
                for stage in self.plan.prefill_groups:
                    x_H = self.stage(x_H, stage, position, memory)
            else:
                x_H = self.decoded(x_H, position, memory)
            rows.append(self.head(x_H))
        return torch.stack(rows)

    def decoded(self, x_H, position, memory):
        for run, stage in enumerate(self.plan.groups, start=1):
            before_H, x_H = x_H, self.stage(x_H, stage, position, memory)
            if run >= self.rule.min_layers and self.confidence(before_H, x_H) > self.rule.threshold:
                break
        self.depths.append(run)
        for member in (member for stage in self.plan.groups[run:] for member in stage):
            if has_attention(member):
                self.attention(x_H, layer_of(member), position, memory[layer_of(member)])
        return x_H

    def confidence(self, before_H, x_H):
        if self.rule.criterion == "saturation":
            return float(before_H @ x_H / (before_H @ before_H * (x_H @ x_H)).sqrt())
        shares_V = self.head(x_H).exp() / self.head(x_H).exp().sum()
        second, first = shares_V.sort().values[-2:]
        return float(first - second)

    def head(self, x_H):
        return self.weights["lm_head.weight"] @ self.norm(x_H, "model.norm")


def inputs_of(case):
    """Prompt, its mask, and the tokens that are fed after it."""
    batch, prompt = len(case.padding), case.prompt_length
    ids_BT, mask_BT = left_padded(tokens_of(batch, prompt, case.seed), case.padding)
    return ids_BT, mask_BT, tokens_of(batch, STEPS, case.seed + 1)


def run_engine(dense, plan, rule, ids_BT, mask_BT, fed_BT):
    """Logits [B, 1 + steps, V] and depths [B, steps]."""
    engine = Engine.from_dense(dense, plan, options=EngineOptions(early_exit=rule))
    logits = [engine.prefill(ids_BT, mask_BT, max_tokens=ids_BT.shape[1] + STEPS)]
    logits += [engine.decode_step(token_B) for token_B in fed_BT.T]
    return torch.stack(logits, dim=1), torch.stack(engine.exit_depths, dim=1)


@torch.inference_mode()
def run_reference(dense, plan, rule, ids_BT, mask_BT, fed_BT):
    """Logits [B, steps, V] and depths [B, steps] of one teacher-forced pass."""
    model = PlannedLlamaForCausalLM.from_dense(dense, plan)
    mask_BT = torch.cat([mask_BT, torch.ones_like(fed_BT)], dim=1)
    positions_BT, prompt = (mask_BT.cumsum(-1) - 1).clamp(min=0), ids_BT.shape[1]
    out = model(
        ids_BT,
        attention_mask=mask_BT[:, :prompt],
        position_ids=positions_BT[:, :prompt],
        use_cache=True,
    )
    with EarlyExitHooks(model, rule) as exit_hooks:
        out = model(
            fed_BT,
            attention_mask=mask_BT,
            position_ids=positions_BT[:, prompt:],
            past_key_values=out.past_key_values,
        )
    return out.logits, exit_hooks.depths_BT
