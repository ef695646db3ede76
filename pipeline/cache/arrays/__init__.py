"""The arrays of a cache: mapped HDF5 files, encoded images, the index, and the collation of captions."""
