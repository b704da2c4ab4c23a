"""What a planned LLaMA computes, written from its formulas in float64 for one row of tokens.

Tokens pass one after another, and every layer keeps the keys and values it has made, so there is no
mask, no padding and no batch. Shares no code with `cqil.modeling` or Transformers.

Shapes: H hidden size, N attention heads, K key/value heads, D head size, T tokens, V vocabulary.
"""

import torch

from cqil.plan.schedule import Schedule
from cqil.plan.stages import has_attention, has_mlp, layer_of


class Reference:
    """A plan, or a schedule of plans, over the weights of a dense LlamaForCausalLM."""

    def __init__(self, dense, plan):
        self.config = dense.config
        self.weights = {name: w.detach().double() for name, w in dense.state_dict().items()}
        schedule = plan if isinstance(plan, Schedule) else Schedule((plan,))
        self.plans = dict(zip(schedule.starts, schedule.plans, strict=True))
        self.plan = schedule.plans[0]

    def logits(self, tokens, prompt_length):
        """[T] -> [T, V]; the first `prompt_length` tokens are prompt, the others are decoded."""
        memory = {layer: ([], []) for layer in range(self.plan.num_layers)}
        rows = []
        for position, token in enumerate(tokens):
            in_prompt = position < prompt_length
            decoded = max(position - prompt_length, 0)
            self.plan = self.plans[max(start for start in self.plans if start <= decoded)]
            x_H = self.weights["model.embed_tokens.weight"][token]
            ladder = range(*(self.plan.ladder or (0, 0)))
            stages = self.plan.prefill_groups if in_prompt else self.plan.groups
            r = []
            for stage in stages:
                if stage[0] in ladder:
                    r = self.layer(r or [x_H], stage[0], position, memory)
                    x_H = r[-1]
                else:
                    x_H = self.stage(x_H, stage, position, memory)
            rows.append(self.weights["lm_head.weight"] @ self.norm(x_H, "model.norm"))
        return torch.stack(rows)

    def greedy(self, prompt, steps):
        """The prompt and `steps` tokens, each the likeliest after all before it."""
        tokens = list(prompt)
        for _ in range(steps):
            tokens.append(int(self.logits(tokens, len(prompt))[-1].argmax()))
        return tokens

    def stage(self, x_H, stage, position, memory):
        """x + sum of A_j(x) + M_j(x + A_j(x) + b_j)."""
        a = [
            self.attention(x_H, layer_of(m), position, memory[layer_of(m)])
            if has_attention(m)
            else torch.zeros_like(x_H)
            for m in stage
        ]
        increments = list(a)
        for j, member in enumerate(stage):
            if not has_mlp(member):
                continue
            b_H = sum(
                (a[i] for i in range(len(stage)) if self.reaches(i, j)), torch.zeros_like(x_H)
            )
            a_H = a[j] if has_attention(member) else torch.zeros_like(x_H)
            increments.append(self.mlp(x_H + a_H + b_H, layer_of(member)))
            if self.plan.bypass_target == "ffn+residual":
                increments.append(b_H)
        scale = len(stage) if self.plan.bypass_target == "mean" else 1
        return x_H + sum(increments) / scale

    def layer(self, r, layer, position, memory):
        """r_i = r_{i-1} + m_i(r_{i-2}) for both halves of a layer; the first of all reads r_0."""
        r = [*r, r[-1] + self.attention(r[-2:][0], layer, position, memory[layer])]
        return [*r, r[-1] + self.mlp(r[-2], layer)]

    def reaches(self, i, j):
        """Whether the i-th attention output of a stage is bypassed to its j-th MLP."""
        if self.plan.bypass_target == "two-way":
            return i != j
        return self.plan.bypass_target != "mean" and 1 <= j - i <= self.plan.bypass

    def attention(self, x_H, layer, position, memory):
        """A_l(x) of one token, which sees the layer's own keys of all tokens so far."""
        heads, size = self.config.num_attention_heads, self.config.head_dim
        n_H = self.norm(x_H, f"model.layers.{layer}.input_layernorm")
        name = f"model.layers.{layer}.self_attn"
        q_ND = self.rotate(self.linear(n_H, f"{name}.q_proj").view(-1, size), position)
        keys, values = memory
        keys.append(self.rotate(self.linear(n_H, f"{name}.k_proj").view(-1, size), position))
        values.append(self.linear(n_H, f"{name}.v_proj").view(-1, size))
        k_TKD, v_TKD = torch.stack(keys), torch.stack(values)
        attended = []
        for head in range(heads):
            kv_head = head * self.config.num_key_value_heads // heads
            weight_T = torch.softmax(k_TKD[:, kv_head] @ q_ND[head] / size**0.5, dim=0)
            attended.append(weight_T @ v_TKD[:, kv_head])
        return self.linear(torch.cat(attended), f"{name}.o_proj")

    def mlp(self, h_H, layer):
        """M_l(h): SwiGLU of the normed input."""
        n_H = self.norm(h_H, f"model.layers.{layer}.post_attention_layernorm")
        name = f"model.layers.{layer}.mlp"
        gate = self.linear(n_H, f"{name}.gate_proj")
        up = self.linear(n_H, f"{name}.up_proj")
        return self.linear(gate * torch.sigmoid(gate) * up, f"{name}.down_proj")

    def rotate(self, heads_ND, position):
        """Turns each pair (d, d + D/2) of a head by position / theta^(2d/D)."""
        half = self.config.head_dim // 2
        exponents = torch.arange(half, dtype=torch.float32) * 2 / self.config.head_dim
        # Checkpoints keep these in float32, even where weights are wider.
        frequencies = (1 / self.config.rope_parameters["rope_theta"] ** exponents).double()
        cos, sin = torch.cos(position * frequencies), torch.sin(position * frequencies)
        first, second = heads_ND[:, :half], heads_ND[:, half:]
        return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)

    def norm(self, x_H, name):
        scale = torch.sqrt((x_H * x_H).sum() / len(x_H) + self.config.rms_norm_eps)
        return self.weights[f"{name}.weight"] * x_H / scale

    def linear(self, x, name):
        bias = self.weights.get(f"{name}.bias", 0)
        return self.weights[f"{name}.weight"] @ x + bias
