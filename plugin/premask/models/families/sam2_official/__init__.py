"""SAM 2 from its authors' own kind of file, by their package: the file, outlines, and memory."""
