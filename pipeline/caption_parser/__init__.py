"""Trains spaCy on captions: finds trees that give FACTUAL's gold graphs, builds long captions, and trains."""
