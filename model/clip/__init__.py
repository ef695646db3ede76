"""The frozen CLIP: its weight files, its blocks, and the passes through both towers."""
