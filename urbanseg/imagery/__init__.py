"""Scenes: simulated from a map, or copied from any GeoTIFF; each with its provenance."""
