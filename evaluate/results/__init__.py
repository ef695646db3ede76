"""Results of an evaluation: named figures, result files, terminal output, comparisons and tables."""
