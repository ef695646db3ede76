"""Benchmark of the trainer: GALIP computed the plain way beside this package's, in one run."""
