"""What is scored: subjects, chosen captions, drawn images and features kept on disk, reference files."""
