"""Annotation <-> plain data: one file a format."""
