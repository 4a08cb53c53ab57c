"""Predictions as pictures: an annotated copy of the video, a timeline, and faces that may not be shown."""
