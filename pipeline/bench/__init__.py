"""Benchmarks of the offline stages: a naive baseline and our code in one run, checked against the manifest's limits."""
