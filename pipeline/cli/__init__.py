"""The commands of `hspcgan`: the root group, the stages, the cache tools, and the handling of errors and logs."""
