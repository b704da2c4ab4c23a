"""One figure a file, drawn from estimates."""
