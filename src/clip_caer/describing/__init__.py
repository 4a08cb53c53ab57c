"""A first look at a dataset, before any training."""
