"""Sentinel-2 L2A from archives: search, choice of acquisitions, download in chunks, scaling."""
