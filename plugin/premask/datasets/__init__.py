"""Labels in files, whoever wrote them: read, converted, merged, split, made into training sets."""
