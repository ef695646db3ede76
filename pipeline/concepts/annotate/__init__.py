"""Parses captions into words and dependency trees (spaCy, stanza), or into scene graphs (FACTUAL's T5)."""
