"""Whether a plan runs over a checkpoint on a layout; every error is one line."""

from __future__ import annotations

from cqil.checkpoint import Checkpoint
from cqil.engine.parallel.attention_heads import AttentionHeads
from cqil.engine.parallel.layout import Layout, Shard
from cqil.engine.parallel.rank_assignment import stages_of_rank
from cqil.plan import LayerPlan
from cqil.plan.schedule import Schedule


def check_checkpoint(checkpoint: Checkpoint, plan: LayerPlan | Schedule, layout: Layout) -> None:
    """Raises ValueError for whatever would stop a rank, before any rank starts.

    That is: a plan for another depth, a stage that does not fit the layout, and weights that are
    missing or not finite. Reads all weights of the plans once.
    """
    config, plans = checkpoint.config, plan.plans if isinstance(plan, Schedule) else (plan,)
    plans[0].check_depth(config.num_hidden_layers)
    kv_heads, head_dim = config.num_key_value_heads, config.head_dim
    assert kv_heads is not None
    assert head_dim is not None
    for rank in range(layout.world_size):
        stages_of_rank(plans, layout, rank)
    sharded = layout.ungrouped_layers == "shard"
    max_shards = layout.world_size if sharded else layout.tensor_parallel_size
    AttentionHeads.of(Shard(0, max_shards), config.num_attention_heads, kv_heads, head_dim)
    checkpoint.check_weights({layer for each in plans for layer in each.stored_layers})
