"""Labels from mask files, one for each image: pixel values or colours become classes."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.config.labels import MaskLabels
from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.io import image_sheet
from urbanseg.io.image_sheet import SheetImage
from urbanseg.labels.layers import LabelArray
from urbanseg.labels.mask_places import on_image
from urbanseg.labels.rasters import Tally, remap

log = logging.getLogger(__name__)

PROPORTIONS = 0.02
"""Largest difference of the proportions of a mask and its image, which a size that is rounded makes."""

FAR = 1 << 24
"""A squared distance above that of any two colours."""


def masks(
    images: Iterable[SheetImage],
    files: Mapping[str, Path],
    params: MaskLabels,
    classes: ClassTable,
    trusted: Sequence[Path] = (),
    places: Mapping[str, Path] | None = None,
) -> Iterator[tuple[Window, LabelArray]]:
    """The labels of each image, and its window on the sheet.

    Args:
        images: the images.
        files: the masks, by the names of the images or those of fewer fields, as without the date.
        params: class name, or ``ignore``, of each pixel value or colour (``#rrggbb``); what
            differs from a colour by no more than a tolerance is that; others are ignored.
        classes: the class table.
        trusted: files and folders that the masks may name, besides their own folders.
        places: a file of each image, where masks are read by the place of both on Earth.

    Yields:
        The window of each image, and its labels.

    Raises:
        PipelineError: if a mask is missing, damaged, of other proportions than its image, or
            has one band where the table has colours, or colours where it has values; in the
            end, if more than `params.max_unknown_share` of all pixels have no class.
    """
    by_color = {int(key[1:], 16): name for key, name in params.remap.items() if isinstance(key, str)}
    table = by_color or {key: name for key, name in params.remap.items() if isinstance(key, int)}
    tally = Tally(table, "#{:06x}".format) if by_color else Tally(table)
    for image in images:
        try:
            path = _path(image, files, params)
            values, covered = _of_image(image, path, params, trusted, places)
        except PipelineError as error:
            if not params.skip_damaged:
                raise
            log.warning("%s: the image %s has no labels", error, image.name)
            yield image.window, np.full(image.window[2:], IGNORE, np.uint8)
            continue
        if covered is None:
            values = fitted(values, image.window, path)
        if by_color and params.color_tolerance:
            values = nearest(values, list(by_color), params.color_tolerance)
        tally.add(values if covered is None else values[covered], path)
        labels = remap(values, table, classes)
        if covered is not None:
            labels[~covered] = IGNORE
        yield image.window, labels
    tally.check(params.max_unknown_share, ", or raise color_tolerance" if by_color else "")


def _path(image: SheetImage, files: Mapping[str, Path], params: MaskLabels) -> Path:
    path = files.get(image.key(params.masks))
    if path is None:
        raise PipelineError(f"the image {image.name} has no mask; correct labels.masks, or add it")
    return path


def _of_image(
    image: SheetImage,
    path: Path,
    params: MaskLabels,
    trusted: Sequence[Path],
    places: Mapping[str, Path] | None,
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """The values or colours of the mask of an image; and, if it is read by place, which pixels it covers."""
    with image_sheet.opened(path, trusted) as mask:
        if places is None:
            return _read(mask, path, params), None
        with on_image(mask, path, places[image.name], image.window, trusted) as placed:
            return _read(placed, path, params), placed.read(placed.count) > 0


def fitted(values: NDArray[Any], window: Window, path: Path) -> NDArray[Any]:
    """A mask in the size of its image, each pixel from the nearest, where both have the same proportions.

    Args:
        values: ``(height, width)``.
        window: of the image.
        path: of the mask, for the error.

    Raises:
        PipelineError: if they have not: it would show another place.
    """
    height, width = values.shape
    if (height, width) == window[2:]:
        return values
    if abs(height * window.width - width * window.height) > max(height * window.width, 1) * PROPORTIONS:
        raise PipelineError(
            f"{path} has {width} × {height} pixels, but its image has {window.width} × {window.height}"
        )
    rows, cols = (
        (np.arange(wanted) * 2 + 1) * given // (2 * wanted)
        for wanted, given in zip(window[2:], (height, width), strict=True)
    )
    return values[np.ix_(rows, cols)]


def _read(mask: DatasetReader | WarpedVRT, path: Path, params: MaskLabels) -> NDArray[Any]:
    by_color = any(isinstance(key, str) for key in params.remap)
    try:
        if params.one_hot:
            bands = mask.read(_opaque(mask))
            return np.where(bands.any(axis=0), bands.argmax(axis=0) + 1, 0)
        return _colors(mask, path) if by_color else _values(mask, path, params.band)
    except RasterioIOError as error:
        raise PipelineError(f"{path} cannot be read to its end; fetch or copy it again") from error


def nearest(colors: NDArray[np.uint32], known: Sequence[int], tolerance: int) -> NDArray[np.uint32]:
    """Colours with each replaced by the nearest known one, if there is one within the tolerance.

    Args:
        colors: ``0xrrggbb``, any shape.
        known: colours to replace others by; between equally near ones, the first wins.
        tolerance: largest difference of red, of green and of blue (0–255).

    Returns:
        Colours in the shape of `colors`.
    """
    found, place = np.unique(colors, return_inverse=True)
    apart = np.abs(_channels(found)[:, np.newaxis] - _channels(np.array(known))[np.newaxis])
    distance = np.where((apart <= tolerance).all(axis=2), (apart**2).sum(axis=2), FAR)
    replaced = np.where(distance.min(axis=1) < FAR, np.array(known)[distance.argmin(axis=1)], found)
    return np.asarray(replaced[place].reshape(colors.shape), np.uint32)


def _channels(colors: NDArray[Any]) -> NDArray[np.int32]:
    return np.stack([colors >> 16 & 255, colors >> 8 & 255, colors & 255], axis=1).astype(np.int32)


def _opaque(mask: DatasetReader | WarpedVRT) -> list[int]:
    """The numbers of the bands without alpha."""
    return [n for n, color in zip(mask.indexes, mask.colorinterp, strict=True) if color != ColorInterp.alpha]


def _values(mask: DatasetReader | WarpedVRT, path: Path, band: int | None) -> NDArray[Any]:
    """The values of the band that counts; else of the only one, or of bands that are all alike."""
    if band is not None and band > mask.count:
        raise PipelineError(f"{path} has {mask.count} bands, but labels.band asks for band {band}")
    numbers = [band] if band is not None else _opaque(mask)
    first: NDArray[Any] = mask.read(numbers[0])
    if any((mask.read(number) != first).any() for number in numbers[1:]):
        raise PipelineError(
            f"{path} has {len(numbers)} bands, which are colours, but remap has pixel values as keys; "
            'let its keys be colours, such as "#3c1098", or name the band by labels.band'
        )
    return first


def _colors(mask: DatasetReader | WarpedVRT, path: Path) -> NDArray[np.uint32]:
    """The colour of each pixel, also of an image with a palette."""
    if mask.dtypes[0] != "uint8":
        raise PipelineError(f"{path} is of {mask.dtypes[0]}, where colours are of uint8; convert it to PNG")
    if mask.count >= 3:
        return image_sheet.colors(mask.read([1, 2, 3]))
    try:
        palette = mask.colormap(1)
    except ValueError as error:
        raise PipelineError(f"{path} has no colours; let remap have pixel values as keys") from error
    table = np.zeros((3, 256), np.uint8)
    for value, color in palette.items():
        table[:, value] = color[:3]
    return image_sheet.colors(table[:, mask.read(1)])
