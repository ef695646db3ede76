"""The lean trainer: cached features and images → checkpoints, logs and sample grids."""
