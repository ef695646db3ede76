"""The cache under construction, `CACHE.partial`: collects the shards of each stage and becomes the finished cache."""
