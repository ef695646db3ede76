"""Dependency trees → entities, attributes, relations and scene graphs."""
