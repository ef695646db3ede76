"""What people do with a finished cache: look into it, export it, copy it."""
