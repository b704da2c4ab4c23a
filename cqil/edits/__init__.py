"""Edits of a checkpoint's weights: a variant is a checkpoint, a plan, and edits in order.

An edit names layers of the dense checkpoint and is applied before the plan. Whatever loads a
variant applies its edits here: `edited_reader` to a reader of single tensors, `apply_edits` to a
model.
"""
