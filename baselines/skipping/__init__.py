"""Methods that skip layers for generated tokens; the prompt sees all layers."""
