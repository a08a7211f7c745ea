"""Label rasters: classes of a scene's pixels, from polygons, rasters or masks, and what to ignore."""

from urbanseg.labels.cloud_masks import cloud_mask
from urbanseg.labels.cores import cores
from urbanseg.labels.cores import in_pixels as core_polygons
from urbanseg.labels.corrections import corrected
from urbanseg.labels.layers import HIDDEN, LabelArray, Labeller, Mask, Masker, shares, stacked
from urbanseg.labels.mask_files import masks
from urbanseg.labels.polygon_files import drawn
from urbanseg.labels.rasterize import labeller, rasterize_scene, windows
from urbanseg.labels.rasters import Tally, classified
from urbanseg.labels.vector import read_vector

__all__ = [
    "HIDDEN",
    "LabelArray",
    "Labeller",
    "Mask",
    "Masker",
    "Tally",
    "classified",
    "cloud_mask",
    "core_polygons",
    "cores",
    "corrected",
    "drawn",
    "labeller",
    "masks",
    "rasterize_scene",
    "read_vector",
    "shares",
    "stacked",
    "windows",
]
