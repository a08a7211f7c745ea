"""The system around us: how files, rasters, tables and vectors are opened, locked and written; processes."""
