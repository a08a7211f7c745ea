"""Masks of an image: clouds, their shadows, snow and missing pixels, in any of the usual files.

Codes: Sentinel-2's SCL (ESA), Fmask of HLS V2.0 (NASA), QA_PIXEL of Landsat Collection 2 (USGS), band 1
of Planet's UDM2; or a mask whose values above 0 are clouds, or valid pixels.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.warp import transform_bounds

from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.imagery.local.warping import warped
from urbanseg.io import georeference, raster
from urbanseg.io.image_sheet import PLACEHOLDER_CRS
from urbanseg.labels.cloud_masks import IGNORE_SCL, unusable
from urbanseg.workflows.model_input.layers import Mask
from urbanseg.workflows.model_input.sources import MASKS, NAME, stem

FMASK_BAD = 0b011110
"""Bits of HLS's Fmask: cloud, beside it, shadow, snow."""

QA_BAD = 0b111111
"""Bits of Landsat's QA_PIXEL: fill, dilated cloud, cirrus, cloud, shadow, snow."""

HIDING: dict[str, Callable[[NDArray[Any]], Mask]] = {
    "scl": lambda codes: np.isin(codes, IGNORE_SCL),
    "fmask": lambda codes: codes & FMASK_BAD > 0,
    "qa_pixel": lambda codes: codes & QA_BAD > 0,
    "udm2": lambda codes: codes != 1,
    "cloud": lambda codes: codes > 0,
    "valid": lambda codes: codes == 0,
}
"""What each kind of mask hides, by the values of its band."""

CLOUDY: dict[str, Callable[[NDArray[Any]], Mask]] = {
    "scl": lambda codes: HIDING["scl"](codes) & (codes != 0),
    "fmask": lambda codes: (codes & FMASK_BAD > 0) & (codes != 255),
    "qa_pixel": lambda codes: codes & (QA_BAD - 1) > 0,
    "cloud": HIDING["cloud"],
}
"""Of what is hidden, what is uncertain close by, too; the edge of an image is not."""

KINDS = ", ".join(f"{kind}=FILE" for kind in HIDING)


def parse(text: str) -> tuple[str, Path]:
    """Kind and file of a mask, from ``cloud=clouds.tif``, or from a file whose name says the kind.

    Raises:
        PipelineError: if the kind is not said.
    """
    word, equals, rest = text.partition("=")
    if equals and word in HIDING:
        return word, Path(rest)
    parts = NAME.fullmatch(stem(Path(text)))
    kind = MASKS.get(parts["band"].lower()) if parts else None
    if kind is None:
        raise PipelineError(f"--mask {text} does not say what its values mean; write one of {KINDS}")
    return kind, Path(text)


@contextmanager
def opened(
    kind: str, path: Path, image: Path, grid: Grid, own: Grid, growth_px: float, band: int = 1
) -> Iterator[Callable[[Window], Mask]]:
    """Open a mask on the grid of an image.

    Args:
        kind: a key of `HIDING`.
        path: of the mask.
        image: the image, for messages.
        grid: on which the mask is read, by nearest neighbour; what it does not cover is 0.
        own: the image's own grid, which a mask must have if neither says where it lies.
        growth_px: by how many pixels of `grid` clouds grow.
        band: its number.

    Yields:
        The function that says which pixels of a window are hidden.

    Raises:
        PipelineError: if it does not fit the image.
    """
    with raster.reading(path, PLACEHOLDER_CRS) as mask:
        if mask.info.dtypes[band - 1] not in {"uint8", "uint16", "int16", "int8", "uint32", "int32"}:
            raise PipelineError(
                f"{path} holds {mask.info.dtypes[band - 1]} values, which are no codes of a mask"
            )
        place = mask.grid
        if not georeference.is_placed(mask.dataset):
            if place.shape != own.shape:
                raise PipelineError(
                    f"{path} does not say where it lies and has {place.height} × {place.width} pixels, but "
                    f"{image} has {own.height} × {own.width}; without a georeference they must have the same"
                )
            yield _on_own(kind, mask, band, growth_px, grid, own)
            return
        if not _overlap(place, grid):
            raise PipelineError(f"{path} covers no part of {image}; name the mask of this image with --mask")
        with warped(mask, grid) as there:
            yield _hider(kind, there, band, grid, growth_px)


def _on_own(
    kind: str, mask: raster.Reader, band: int, growth_px: float, grid: Grid, own: Grid
) -> Callable[[Window], Mask]:
    """A mask that is nowhere, on the pixels of its image."""
    if grid.same_as(own):
        return _hider(kind, mask, band, grid, growth_px)
    rows, cols = (
        np.minimum((np.arange(new) + 0.5) * old // new, old - 1).astype(int)
        for new, old in zip(grid.shape, own.shape, strict=True)
    )
    bad = _hidden(kind, mask.read_band(band=band)[rows[:, None], cols], growth_px)
    return lambda window: bad[window.slices]


def _overlap(mask: Grid, grid: Grid) -> bool:
    """Whether two grids have a place in common."""
    left, bottom, right, top = mask.bounds
    if mask.crs != grid.crs:
        left, bottom, right, top = transform_bounds(mask.crs.to_wkt(), grid.crs.to_wkt(), *mask.bounds)
    west, south, east, north = grid.bounds
    return bool(left < east and right > west and bottom < north and top > south)


def _hider(
    kind: str, mask: raster.Reader, band: int, grid: Grid, growth_px: float
) -> Callable[[Window], Mask]:
    """Hides pixels of a window, also those close to clouds outside it."""

    def hidden(window: Window) -> Mask:
        wider, inner = window.grown(math.ceil(growth_px), grid.shape)
        return _hidden(kind, mask.read_band(wider, band), growth_px)[inner.slices]

    return hidden


def _hidden(kind: str, codes: NDArray[Any], growth_px: float) -> Mask:
    bad = HIDING[kind](codes)
    if kind in CLOUDY:
        bad |= unusable(CLOUDY[kind](codes).astype(np.uint8), [1], growth_px)
    return bad
