"""Runs of layers that an order changes."""


def check_layer_range(start: int, end: int, num_layers: int, least: int = 1) -> None:
    """Raises ValueError unless [start, end) holds `least` layers of the checkpoint."""
    if end > num_layers or end - start < least:
        raise ValueError(
            f"start, end: [{start}, {end}) must hold at least {least} of the checkpoint's "
            f"{num_layers} layers; choose start + {least} <= end <= {num_layers}"
        )
