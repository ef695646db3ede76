"""Toy birds: drawn scenes with captions and gold annotations, the demo, and the training of the shipped weights."""
