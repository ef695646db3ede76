"""Teaches spaCy to read captions: gold graphs → trees (trees) → longer captions (long_captions) → weights (train)."""
