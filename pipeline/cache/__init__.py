"""The on-disk cache (format 1): its schema, reader, validation, and the collation of captions into padded arrays."""
