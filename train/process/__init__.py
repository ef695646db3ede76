"""What a training process shares with others: the lock on its run folder, and the signals that end it."""
