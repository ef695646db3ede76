"""Checks of an evaluation: the lock before anything is computed, the expectations afterwards."""
