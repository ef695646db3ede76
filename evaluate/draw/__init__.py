"""Images of own texts: sample, interpolate, edit."""
