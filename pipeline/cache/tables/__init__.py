"""The Parquet tables of a finished cache: reading, counting, and pandas data frames."""
