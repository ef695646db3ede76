"""The shipped manifests: YAML files without code, which commands accept by name."""
