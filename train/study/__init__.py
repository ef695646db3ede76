"""Studies: train several manifests (rows) with several seeds by one protocol, and judge claims about their scores."""
