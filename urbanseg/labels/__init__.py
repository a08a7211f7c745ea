"""Label rasters: classes of a scene's pixels, from polygons, rasters or masks, and what to ignore."""

from urbanseg.labels.cloud_masks import cloud_mask
from urbanseg.labels.layers import HIDDEN, Labeller, Labels, Mask, Masker, shares, stacked
from urbanseg.labels.mask_files import masks
from urbanseg.labels.rasterize import labeller, rasterise, windows
from urbanseg.labels.rasters import classified
from urbanseg.labels.vector import read_drawn

__all__ = [
    "HIDDEN",
    "Labeller",
    "Labels",
    "Mask",
    "Masker",
    "classified",
    "cloud_mask",
    "labeller",
    "masks",
    "rasterise",
    "read_drawn",
    "shares",
    "stacked",
    "windows",
]
