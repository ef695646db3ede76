"""Studies: train and score rows × seeds by one protocol, compute statistics over seeds, judge claims, build a page."""
