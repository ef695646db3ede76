"""Generates images from user-supplied captions: sample, interpolate, edit."""
