"""Process control of a training run: the lock on its run folder, and the signals that stop it."""
