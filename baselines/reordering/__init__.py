"""Methods that run all layers in another order, without CQIL's groups."""
