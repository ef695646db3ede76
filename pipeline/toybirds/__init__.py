"""The embedded world: drawn birds with captions and gold annotations, its demo, and the building of its weights."""
