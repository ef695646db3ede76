"""Shipped manifests: YAML data only, addressed by name on the command line."""
