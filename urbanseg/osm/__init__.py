"""OpenStreetMap: features from an extract, and the class each belongs to by its tags."""

from urbanseg.osm.features import load_features, table, write_features
from urbanseg.osm.footprints import area_of_interest, polygons
from urbanseg.osm.pbf import read_features

__all__ = ["area_of_interest", "load_features", "polygons", "read_features", "table", "write_features"]
