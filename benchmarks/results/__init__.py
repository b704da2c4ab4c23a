"""Records of measurements: schema, files, provenance, statistics and metrics. No torch."""
