"""Rules that choose which layers share an input. One file a rule."""
