"""Results of an evaluation: named metric values, result files, terminal output, comparisons and tables."""
