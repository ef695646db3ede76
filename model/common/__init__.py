"""Code shared by all parts of hspcgan: errors, files, validation of external data, progress bars."""
