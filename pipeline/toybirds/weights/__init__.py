"""Trains and measures the shipped toy weights."""
