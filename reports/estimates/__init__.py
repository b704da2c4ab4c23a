"""From samples to numbers with intervals. Draws nothing."""
