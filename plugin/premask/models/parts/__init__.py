"""What families share: promptable outlines, queries, phrases, class maps, the torch runtime."""
