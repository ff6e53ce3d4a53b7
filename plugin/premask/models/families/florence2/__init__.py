"""Florence-2: its adapter, and how the texts that it writes are read."""
