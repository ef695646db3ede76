"""What an evaluation found: named figures, result files, text for a terminal, comparisons and tables."""
