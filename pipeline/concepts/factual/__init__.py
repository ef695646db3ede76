"""Concept sets ↔ the tuples in which FACTUAL (ACL Findings 2023) writes scene graphs."""
