"""Benchmark of the trainer: GALIP in plain PyTorch beside this package's implementation, in one run."""
