"""What one training step is made of: losses, schedules, augmentation and the update of the weights."""
