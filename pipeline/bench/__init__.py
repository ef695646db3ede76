"""Benchmarks of the offline stages: the naive way and the fast one in one run, beside the manifest's bars."""
