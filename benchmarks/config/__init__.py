"""What a user asks for: run configuration, generation tasks, asset table. Imports no torch."""
