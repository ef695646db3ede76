"""The Parquet tables of a finished cache: reading, checking, counting, and pandas data frames."""
