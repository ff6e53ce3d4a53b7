"""Work cut into shards that any number of processes label, each image exactly once."""
