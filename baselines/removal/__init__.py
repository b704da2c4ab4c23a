"""Methods that delete layers for every token."""
