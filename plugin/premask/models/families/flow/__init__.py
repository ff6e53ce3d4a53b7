"""Following objects without weights: dense optical flow, and colors at the edge."""
