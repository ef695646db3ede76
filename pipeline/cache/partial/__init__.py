"""The cache under construction, `CACHE.partial`: shards of each stage, assembled into a finished cache and renamed."""
