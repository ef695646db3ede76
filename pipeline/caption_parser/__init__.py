"""Trains spaCy on captions: finds trees for gold graphs, joins short captions into long ones, and trains."""
