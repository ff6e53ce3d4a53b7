"""What operators do: label, export, import, evaluate, review, undo."""
