"""Offline stages: datasets → checked samples → concepts and scene graphs → CLIP text features, stored in the cache."""
