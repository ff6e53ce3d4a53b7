"""What `python -m ml_backend` does: serve, push and pull, and what only they need."""
