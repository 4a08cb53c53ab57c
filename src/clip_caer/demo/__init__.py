"""The demo: drawn students in rooms, with classes planted so that it is known what each view can tell."""
