"""The parts of scoring: subjects, captions, scoring networks, stored images and features, reference files."""
