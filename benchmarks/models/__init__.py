"""Checkpoints and variants on disk: prepared, described by manifests, and loaded."""
