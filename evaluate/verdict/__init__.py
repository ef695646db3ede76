"""Checks of an evaluation: evaluate.lock before anything is computed, the expectations afterwards."""
