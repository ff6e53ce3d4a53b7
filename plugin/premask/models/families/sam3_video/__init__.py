"""SAM 3 for clips: all that phrases name, followed from frame to frame."""
