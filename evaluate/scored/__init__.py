"""The inputs of scoring: subjects, selected captions, stored generated images and features, reference files."""
