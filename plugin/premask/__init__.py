"""premask: pre-annotate image datasets with masks and mattes."""
