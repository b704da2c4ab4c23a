"""What every measurement runs in: device, progress lines, the state of the machine."""
