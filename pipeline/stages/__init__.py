"""The offline stages, each a reader, a mapper and a writer under one runner, and where mappers run."""
