"""Checks of an evaluation: of its inputs (evaluate.lock) before the start, of its metric values at the end."""
