"""A plan through every fault at once: `make soak`."""
