"""Label rasters: classes of a scene's pixels, from polygons, rasters or masks, and what to ignore."""

from urbanseg.labels.burning import labeller, rasterise, windows
from urbanseg.labels.cloud_masks import clouds, s2cloudless
from urbanseg.labels.drawn import read_drawn
from urbanseg.labels.layers import HIDDEN, Labeller, Labels, Mask, Masker, shares, stacked
from urbanseg.labels.mask_files import masks
from urbanseg.labels.rasters import classified

__all__ = [
    "HIDDEN",
    "Labeller",
    "Labels",
    "Mask",
    "Masker",
    "classified",
    "clouds",
    "labeller",
    "masks",
    "rasterise",
    "read_drawn",
    "s2cloudless",
    "shares",
    "stacked",
    "windows",
]
