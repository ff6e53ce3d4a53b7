"""Functions on what was found: select, refine, share soft edges, recover colors, paint maps."""
