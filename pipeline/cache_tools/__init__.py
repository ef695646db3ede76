"""Tools for a finished cache: inspect, export, copy."""
