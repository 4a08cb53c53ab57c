"""A trained run on new videos: who is seen, when, and with which emotion."""
