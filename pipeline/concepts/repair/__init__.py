"""Corrects errors in spaCy's dependency trees before concepts are extracted."""
