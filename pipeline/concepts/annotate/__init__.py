"""Texts → words with parts of speech and dependency trees: spaCy, stanza, or a T5 that writes scene graphs."""
