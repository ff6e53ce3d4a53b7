"""BiRefNet: a matter, and our own copy of its network."""
