"""Florence-2: a finder, and how its answers are read."""
