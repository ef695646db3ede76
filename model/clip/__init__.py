"""The frozen CLIP: its weight files, its blocks, and the forward passes of the image and the text encoder."""
