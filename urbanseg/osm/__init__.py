"""OpenStreetMap: features from an extract, and the class each belongs to by its tags."""

from urbanseg.osm.features import load_features, table, write_features
from urbanseg.osm.pbf import read_features

__all__ = ["load_features", "read_features", "table", "write_features"]
