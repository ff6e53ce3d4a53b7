"""The panels of the App."""
