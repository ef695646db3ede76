"""Components of a training step: losses, schedules, augmentation and the update of the weights."""
