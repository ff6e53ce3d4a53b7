"""What a project's label config means: tags, clicks, regions, what people drew."""
