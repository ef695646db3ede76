"""Extracts entities, attributes, relations and scene graphs from dependency trees."""
