"""Quality of a variant: perplexity, multiple choice, written texts."""
