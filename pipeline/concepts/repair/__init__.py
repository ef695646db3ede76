"""Corrections of spaCy's dependency trees, before any other rule reads them."""
