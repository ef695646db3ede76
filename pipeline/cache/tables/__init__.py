"""The Parquet tables of a finished cache: read, counted, and as pandas frames."""
