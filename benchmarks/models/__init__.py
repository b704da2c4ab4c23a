"""Checkpoints and variants on disk, and how they are loaded."""
