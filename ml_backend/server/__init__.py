"""The HTTP server: its routes, who may call them, what they answer, and what it remembers."""
