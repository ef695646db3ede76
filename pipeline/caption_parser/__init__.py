"""Trains spaCy on captions: gold graphs → trees (trees_from_graphs) → long captions (long_captions) → weights
(train_spacy)."""
