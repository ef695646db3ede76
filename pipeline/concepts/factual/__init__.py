"""Converts concept sets to and from tuples, FACTUAL's format for scene graphs (ACL Findings 2023)."""
