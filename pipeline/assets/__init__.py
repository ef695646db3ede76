"""Shipped weights, with their sha256 list and provenance."""
