"""The models: what they can do, where their weights come from, and one file a family."""
