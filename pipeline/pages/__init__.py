"""Shared parts of the web pages: the style sheet, the template environment, and captions with marked words."""
