"""Annotations <-> files and plain data: one file a format, its writer and, if any, its reader."""
