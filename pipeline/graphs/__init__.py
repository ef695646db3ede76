"""Scene graphs as files, as drawings, and scored against gold."""
