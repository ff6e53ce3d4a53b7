"""Work on many inputs: collecting them, labeling ahead, the journal that makes runs resume."""
