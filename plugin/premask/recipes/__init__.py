"""The line as data and what runs it: the recipe, its stages, matting, tiling."""
