"""The offline stages, each with a reader, a mapper and a writer under one runner, and the engines that run mappers."""
