"""Two académies on one machine: `make demo`."""
