"""A data set of image files as a scene: the images are arranged side by side on one sheet.

Pixels are copied unchanged, except that missing pixels, by the rule of `io.raster`, and the gutters
between images are 0, and valid pixels at least 1.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.io import DatasetReader
from tqdm import tqdm

from urbanseg.config.labels import FolderScene
from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS, Grid
from urbanseg.io import cog, image_sheet, raster
from urbanseg.io.image_sheet import SheetImage

log = logging.getLogger(__name__)


def plan(params: FolderScene, trusted: Sequence[Path] = ()) -> tuple[list[SheetImage], dict[str, Path]]:
    """Arrange the images of the data set's splits on the sheet.

    Args:
        params: pattern and splits of the images.
        trusted: files and folders that the images may name, besides their own folders.

    Returns:
        The images with their windows on the sheet, and the file of each by name.

    Raises:
        PipelineError: if there is no image, or a split's list doesn't fit them.
    """
    files = image_sheet.find(params.images)
    lists = {name: _entries(getattr(params.splits, name), name) for name in SPLITS}
    splits = image_sheet.split(list(files), lists)
    used = {name: path for name, path in files.items() if name in splits}
    images = image_sheet.lay_out(image_sheet.sizes(used, trusted), splits)
    counts = ", ".join(f"{list(splits.values()).count(name)} {name}" for name in SPLITS)
    log.info("%s: %s images, %d in no split", params.images, counts, len(files) - len(used))
    return images, used


def copy(
    images: list[SheetImage],
    files: Mapping[str, Path],
    params: FolderScene,
    target: Path,
    trusted: Sequence[Path] = (),
) -> Grid:
    """Copy the images onto the sheet, one at a time, in their own dtype.

    Args:
        images: the images.
        files: of each, by its name.
        params: bands and resolution.
        target: where to write the sheet.
        trusted: files and folders that the images may name, besides their own folders.

    Returns:
        The sheet's grid.

    Raises:
        PipelineError: if an image lacks a band, has another dtype than the first, or is
            damaged.
    """
    grid = image_sheet.sheet(images, params.resolution_m)
    first, bands = files[images[0].name], list(params.bands.values())
    with image_sheet.opened(first, trusted) as opened:
        dtype = _dtype(first, opened, bands)
    if np.dtype(dtype).kind not in "ui":
        raise PipelineError(f"{first} holds {dtype} values; convert the images to whole numbers")
    with cog.writing(
        target,
        grid,
        dtype=dtype,
        count=len(params.bands),
        nodata=0,
        descriptions=list(params.bands),
        resampling="average",
    ) as out:
        for image in tqdm(images, desc="images", unit="image"):
            path = files[image.name]
            with image_sheet.opened(path, trusted) as opened:
                if (found := _dtype(path, opened, bands)) != dtype:
                    raise PipelineError(f"{path} holds {found} values, but {first} {dtype}")
                reader = raster.Reader(path, opened, grid.window(image.window))
                pixels = np.maximum(reader.read(bands=bands), 1)
                pixels[:, ~reader.valid(bands=bands)] = 0
            out.write(pixels, image.window)
    return grid


def _dtype(path: Path, image: DatasetReader, bands: list[int]) -> str:
    """The type that holds the chosen bands of an image."""
    if (highest := max(bands)) > image.count:
        raise PipelineError(f"{path} has {image.count} bands, but bands asks for band {highest}")
    return raster.common_dtype(image.dtypes[band - 1] for band in bands)


def provenance(files: Mapping[str, Path]) -> dict[str, Any]:
    """Properties of the images for the STAC Item: their number, and the SHA-256 of all bytes in order."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(files[name].read_bytes())
    return {"simulated": False, "source:pictures": len(files), "source:sha256": digest.hexdigest()}


def _entries(entries: list[str] | Path | None, name: str) -> list[str] | None:
    """The entries of a split's list, which may be in a file with one entry per line."""
    if not isinstance(entries, Path):
        return entries
    try:
        lines = entries.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"{entries}, the list of the split {name}, cannot be read ({error})") from error
    return [line.strip() for line in lines if line.strip()]
