"""A trained run as one thing: everything between a video and class probabilities, from its folder or from a file."""
