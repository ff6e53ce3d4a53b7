"""One file or one folder a family: the only place that imports model libraries."""
