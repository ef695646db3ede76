"""The inputs of scoring: subjects, selected captions, generated images and features kept on disk, reference files."""
