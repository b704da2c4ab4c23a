"""What a measurement leaves behind: schema, files, provenance, statistics, metrics. Imports no torch."""
