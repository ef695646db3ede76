"""Checkpoints and caches → images, FID, KID, CLIP scores, verdicts and the report page."""
