"""Healing variants on calibration text: from a variant's manifest to that of the healed one."""
