"""Commands: serve, push, pull."""
