"""The commands of `hspcgan`: the root group, the stages, the cache tools, and how they behave at the edge."""
