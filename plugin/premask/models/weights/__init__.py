"""Where weights are: the hub, local paths, packages; and what a pickle would import."""
