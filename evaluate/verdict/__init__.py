"""What an evaluation is compared with: the lock before anything is computed, the expectations after."""
