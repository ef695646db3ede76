"""What the web pages share: one style sheet, one template environment, captions with their words marked."""
