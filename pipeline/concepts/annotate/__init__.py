"""Captions → words with parts of speech and dependency trees (spaCy, stanza), or scene graphs (FACTUAL's T5)."""
