"""Readers of what datasets consist of: paths and URLs, files of captions, rows of tables, members of tar shards."""
