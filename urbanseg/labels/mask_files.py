"""Labels from mask files, one for each image: pixel values or colours become classes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from rasterio.io import DatasetReader

from urbanseg.classes import ClassTable
from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.io import image_sheet
from urbanseg.io.image_sheet import SheetImage
from urbanseg.labels.layers import LabelArray
from urbanseg.labels.rasters import remap


def masks(
    images: Iterable[SheetImage],
    files: Mapping[str, Path],
    table: Mapping[int | str, str],
    classes: ClassTable,
    trusted: Sequence[Path] = (),
) -> Iterator[tuple[Window, LabelArray]]:
    """The labels of each image, and its window on the sheet.

    Args:
        images: the images.
        files: the mask of each, by its name.
        table: class name, or ``ignore``, of each pixel value or colour (``#rrggbb``);
            others are ignored.
        classes: the class table.
        trusted: files and folders that the masks may name, besides their own folders.

    Yields:
        The window of each image, and its labels.

    Raises:
        PipelineError: if a mask is missing, damaged, of another size than its image, or
            has one band where `table` has colours.
    """
    by_color = {int(key[1:], 16): name for key, name in table.items() if isinstance(key, str)}
    by_value = {key: name for key, name in table.items() if isinstance(key, int)}
    for image in images:
        if image.name not in files:
            raise PipelineError(f"the image {image.name} has no mask; correct labels.masks, or add it")
        path = files[image.name]
        with image_sheet.opened(path, trusted) as mask:
            if (mask.height, mask.width) != image.window[2:]:
                raise PipelineError(
                    f"{path} has {mask.width} × {mask.height} pixels, but its image has "
                    f"{image.window.width} × {image.window.height}"
                )
            values = _colors(mask, path) if by_color else mask.read(1)
        yield image.window, remap(values, by_color or by_value, classes)


def _colors(mask: DatasetReader, path: Path) -> np.ndarray:
    """The colour of each pixel, also of an image with a palette."""
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
