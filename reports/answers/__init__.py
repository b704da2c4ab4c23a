"""The box at the top of the page: what its readers came to ask, answered from estimates."""
