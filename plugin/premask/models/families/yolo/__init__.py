"""YOLO: a finder, its checkpoints and vocabularies, and the Ultralytics library."""
