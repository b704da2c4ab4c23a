"""From safetensors to the packed weights that stages multiply with."""
