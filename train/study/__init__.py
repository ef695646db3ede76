"""Studies: rows × seeds trained and scored by one protocol, statistics over the seeds, verdicts on claims, a page."""
