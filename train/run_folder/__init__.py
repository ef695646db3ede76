"""The files that a run writes: checkpoints with weights and training state, and logs."""
