"""Benchmark of the trainer: compares this package's implementation with GALIP in plain PyTorch, in one run."""
