"""Teaches spaCy to read captions: gold graphs → trees (trees) → longer captions (splice) → weights (train)."""
