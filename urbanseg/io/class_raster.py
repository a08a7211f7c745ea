"""Class rasters and confidence rasters from outside: what they must be, and reading them checked.

A class raster has one band of whole numbers: the ids of the class table, and 255 where the class is
unknown. Its own nodata value and its mask are unknown, too. Whatever else a raster holds is refused,
because every number means some class.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import IGNORE, span
from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.io.raster import Reader


def require_classes(raster: Reader) -> None:
    """Check that a raster can be a class raster: one band of integers that lies somewhere.

    Raises:
        PipelineError: if it cannot, with what it is instead.
    """
    _require_one_band(raster, "a class raster")
    if not np.issubdtype(raster.info.dtype, np.integer):
        raise PipelineError(
            f"{raster.path} has pixels of the type {raster.info.dtype}, but a class raster has whole "
            "numbers, the ids of classes; name the map, or convert it with gdal_translate -ot Byte"
        )


def require_confidence(raster: Reader) -> None:
    """Check that a raster can be a confidence raster: one band of uint8.

    Raises:
        PipelineError: if it cannot, with what it is instead.
    """
    _require_one_band(raster, "a confidence raster")
    if raster.info.dtype != "uint8":
        raise PipelineError(
            f"{raster.path} has pixels of the type {raster.info.dtype}, but confidences are uint8, 0 to 254 "
            "for 0 to 1; convert it with gdal_translate -ot Byte -scale 0 1 0 254"
        )


def read_classes(raster: Reader, ids: Sequence[int], window: Window | None = None) -> NDArray[np.uint8]:
    """Classes of a window (all, if None).

    Args:
        raster: that `require_classes` has checked.
        ids: pixel values of the classes, in order.
        window: the pixels wanted.

    Returns:
        ``(height, width)`` uint8, one of `ids`, or `IGNORE` where unknown.

    Raises:
        PipelineError: if it holds another value, or cannot be read.
    """
    values = raster.read_band(window)
    unknown = values == IGNORE
    if raster.info.nodata != IGNORE:
        unknown |= ~raster.valid(window)
    strange = ~unknown & ((values < ids[0]) | (values > ids[-1]))
    if ids[-1] - ids[0] >= len(ids):
        strange = ~unknown & ~np.isin(values, ids)
    if strange.any():
        raise PipelineError(
            f"{raster.path} holds the value {int(values[strange].min())}, but the classes of params.yaml are "
            f"{span(ids)}, and {IGNORE} is unknown; name a map of these classes"
        )
    return np.where(unknown, IGNORE, values).astype(np.uint8)


def _require_one_band(raster: Reader, what: str) -> None:
    if raster.info.count != 1:
        raise PipelineError(
            f"{raster.path} has {raster.info.count} bands, but {what} has one; name the map, not an image, "
            "or take the band out with gdal_translate -b"
        )
