"""The on-disk cache, format 1: schema, writer, reader, and caption rows as padded arrays."""
