"""Cloud masks: pixels under cloud and cloud shadow, and those within a dilation radius.

They come from Sentinel-2's scene classification (SCL), from s2cloudless
(https://doi.org/10.1016/j.rse.2022.112990) where the scene has the ten bands that it
reads, or from both. All work window by window, with a halo around each window.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from urbanseg.config.labels import LabelParams
from urbanseg.errors import PipelineError, missing_package
from urbanseg.grid import Grid, Window
from urbanseg.io.raster import Reader, require_same_grid
from urbanseg.labels.layers import Mask, Masker

S2CLOUDLESS_BANDS = ("B01", "B02", "B04", "B05", "B08", "B8A", "B09", "B10", "B11", "B12")
IGNORE_SCL = (0, 1, 3, 8, 9, 10, 11)
"""Codes ignored where no params.yaml says so: nodata, saturated, cloud shadow, clouds, cirrus, snow."""

DILATION_M = 30.0
"""By how much they grow there."""

AVERAGE_M = 40.0
"""Cloud probability is averaged over a disk of this radius, as its authors do at 10 m."""


def unusable(scl: NDArray[np.uint8], ignore_codes: Sequence[int], dilation_px: float) -> Mask:
    """Which pixels the scene classification says to ignore, grown by a disk.

    Args:
        scl: ``(height, width)`` Sentinel-2 SCL codes, uint8.
        ignore_codes: codes of cloud, shadow, snow and the like.
        dilation_px: radius of the disk in pixels; may be a fraction or 0.

    Returns:
        ``(height, width)`` bool.
    """
    bad = np.isin(scl, list(ignore_codes))
    if dilation_px < 1 or not bad.any():
        return bad
    return np.asarray(distance_transform_edt(~bad) <= dilation_px)


def cloud_mask(scene: Reader, scl: Reader | None, params: LabelParams) -> Masker:
    """The function that makes the cloud mask of a window, from the SCL and s2cloudless as far as available.

    Args:
        scene: the scene, which s2cloudless reads if the parameters ask for it.
        scl: the scene classification on the scene's grid; None if there is none.
        params: SCL codes to ignore, dilation in metres, and whether to run s2cloudless.

    Returns:
        A function from a window to its mask; without any source, no pixel is masked.

    Raises:
        PipelineError: if the SCL is on another grid than the scene, or the scene lacks a band of s2cloudless.
    """
    masks = []
    if scl is not None:
        require_same_grid(scl.path, scl.grid, scene.path, scene.grid)
        masks.append(scl_mask(scl.read_band, scene.grid, params))
    if params.s2cloudless is not None:
        bands, threshold = scene.info.descriptions, params.s2cloudless.threshold
        masks.append(s2cloudless_mask(scene.read, bands, scene.grid, threshold, params.cloud_dilation_m))

    def mask(window: Window) -> Mask:
        merged = np.zeros((window.height, window.width), bool)
        for source in masks:
            merged |= source(window)
        return merged

    return mask


def scl_mask(read_scl: Callable[[Window], NDArray[np.uint8]], grid: Grid, params: LabelParams) -> Masker:
    """The function that says which pixels of a window are `unusable`, also because of clouds outside it.

    Args:
        read_scl: gives the scene classification of a window.
        grid: the scene's grid.
        params: codes to ignore and by how many metres they grow.

    Returns:
        A function from a window to its mask.
    """
    radius = params.cloud_dilation_m / max(grid.pixel_m)

    def mask(window: Window) -> Mask:
        wider, inner = window.grown(math.ceil(radius), grid.shape)
        return unusable(read_scl(wider), params.ignore_scl, radius)[inner.slices]

    return mask


def s2cloudless_mask(
    read: Callable[[Window, Sequence[int]], NDArray[Any]],
    bands: Sequence[str],
    grid: Grid,
    threshold: float,
    dilation_m: float,
) -> Masker:
    """The function that says which pixels of a window s2cloudless calls cloud, and those close by.

    Args:
        read: gives the bands with the given numbers (from 1) of a window,
            ``(bands, height, width)``, as reflectance × 10000.
        bands: names of the scene's bands, in order.
        grid: the scene's grid.
        threshold: cloud probability (0–1) from which a pixel is cloud.
        dilation_m: by how much clouds grow.

    Returns:
        A function from a window to its mask.

    Raises:
        PipelineError: if a band that s2cloudless reads is missing.
    """
    if missing := [band for band in S2CLOUDLESS_BANDS if band not in bands]:
        raise PipelineError(
            f"labels.s2cloudless looks at the bands {', '.join(S2CLOUDLESS_BANDS)}, but the scene lacks "
            f"{', '.join(missing)}; add them (B10 is in Level-1C only), or set labels.s2cloudless to null"
        )
    try:  # slow to import and rarely wanted
        from s2cloudless.cloud_detector import S2PixelCloudDetector  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise missing_package(error, "s2cloudless", "or set labels.s2cloudless to null") from error
    numbers = [list(bands).index(band) + 1 for band in S2CLOUDLESS_BANDS]
    average = max(1, round(AVERAGE_M / max(grid.pixel_m)))
    detector = S2PixelCloudDetector(threshold=threshold, average_over=average, dilation_size=None)
    radius = dilation_m / max(grid.pixel_m)
    halo = math.ceil(radius) + average + 1

    def mask(window: Window) -> Mask:
        wider, inner = window.grown(halo, grid.shape)
        pixels = read(wider, numbers).astype(np.float32).transpose(1, 2, 0) / 10_000
        cloud = detector.get_cloud_masks(pixels[np.newaxis])[0]
        return unusable(cloud, [1], radius)[inner.slices]

    return mask
