"""Trains spaCy on captions: trees from gold graphs, long captions joined from short ones, training."""
