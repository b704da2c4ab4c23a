"""Assets, variants and measurements. Every command writes data that `record.py` describes."""
