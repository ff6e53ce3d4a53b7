"""Images that lie anywhere: listed one at a time, and read from where they are."""
