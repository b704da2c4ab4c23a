"""Device, progress lines and machine state of every measurement, and how a measurement runs."""
