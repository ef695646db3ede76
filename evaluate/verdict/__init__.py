"""Checks the inputs of an evaluation (evaluate.lock) before it starts, and its metric values at the end."""
