"""Benchmarks of the offline stages: the naive way and ours in one run, as a table with the bars of a manifest."""
