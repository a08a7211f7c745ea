"""Files, rasters and tables: how they are opened, locked and written."""
