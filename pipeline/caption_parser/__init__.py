"""Trains spaCy's parser on captions, with trees that give FACTUAL's gold graphs; also builds longer captions."""
