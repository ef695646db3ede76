"""Benchmarks that measure our code and a naive baseline, and check the results against the manifest's limits."""
