"""What is computed once: the caches of features and crops, a shard at a time."""
