"""SAM 3.1 for images: its authors' file, read into transformers' classes of SAM 3."""
