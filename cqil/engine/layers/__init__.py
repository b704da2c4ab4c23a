"""What one rank computes: stages, attention, KV cache, embedding and LM head."""
