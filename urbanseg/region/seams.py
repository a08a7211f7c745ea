"""The merge of seams: vectors of the cells of a region become one data set, as if it had no cells."""

from urbanseg.region.dataset import Part
from urbanseg.region.seams_polygons import merge_polygons
from urbanseg.region.seams_roads import merge_roads

__all__ = ["Part", "merge_polygons", "merge_roads"]
