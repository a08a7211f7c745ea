"""Small class rasters, and their partitions rendered back to pixels by means that partitions do not use."""

import numpy as np
import rasterio.features
from affine import Affine
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from urbanseg.classes import IGNORE
from urbanseg.mapping.outlines import trace
from urbanseg.mapping.partition import OUTSIDE, partition_raster

rasters = arrays.arrays(
    np.uint8,
    st.tuples(st.integers(1, 14), st.integers(1, 14)),
    elements=st.sampled_from([0, 1, 2, 3, IGNORE]),
)


def partitioned(classes, confidence=None, rows=1000, threads=1):
    def read(window):
        return classes[window.slices], None if confidence is None else confidence[window.slices]

    return partition_raster(read, classes.shape, rows, threads)


def rendered(partition, shape):
    """Region of each pixel, by burning the regions' polygons: ``(height, width)`` int32."""
    polygons = trace(partition, partition.ids != OUTSIDE).polygons(Affine.identity())
    shapes = zip(polygons, range(1, len(polygons) + 1), strict=True)
    return rasterio.features.rasterize(shapes, out_shape=shape, dtype=np.int32)
