"""The model, and how it learns from cached features or crops."""
