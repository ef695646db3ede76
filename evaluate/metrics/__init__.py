"""The metrics: small functions of images, texts and features."""
