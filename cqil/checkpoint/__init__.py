"""One reading of a LLaMA folder: files, configuration, tensors, tokenizer, generation settings."""

from cqil.checkpoint.checkpoint import Checkpoint, open_checkpoint

__all__ = ["Checkpoint", "open_checkpoint"]
