"""The HTML page: its sections, their order and the template."""
