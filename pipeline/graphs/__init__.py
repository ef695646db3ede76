"""Scene graphs: reading and writing files, drawing, and scoring against gold graphs."""
