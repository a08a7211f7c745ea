"""A data set of image files as a scene: the images are arranged side by side on one sheet.

Pixels are copied unchanged, but where bands or images are brought to another size, and where a pixel is the
value that stands for missing ones: 0 of unsigned numbers, the lowest of signed ones, NaN. That is what
missing pixels, by the rule of `io.raster`, and the gutters between images are; a valid pixel of this value
is raised by 1.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from urbanseg.config.folder import FolderScene
from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS, Grid, blocks
from urbanseg.imagery.local import image_files, image_splits
from urbanseg.imagery.local.image_files import Takes
from urbanseg.imagery.local.masks import CLOUD, UNCLASSIFIED
from urbanseg.io import cog, image_sheet
from urbanseg.io.image_sheet import SheetImage

log = logging.getLogger(__name__)

FILL_PX = 2048
"""Side of the windows in which ground without an image is filled."""
NAMED = 10
"""Images of a kind that the log names."""


def plan(params: FolderScene, trusted: Sequence[Path] = ()) -> tuple[list[SheetImage], dict[str, Takes]]:
    """Arrange the images of the data set's splits on the sheet.

    Args:
        params: pattern and splits of the images.
        trusted: files and folders that the images may name, besides their own folders.

    Returns:
        The images with their windows on the sheet, and the files of each by name.

    Raises:
        PipelineError: if there is no image, one lacks a file, or a split's list doesn't fit them.
    """
    found, skipped = _sound(params, trusted)
    fields = image_files.image_fields(params)
    splits = image_splits.split(sorted([*found, *skipped]), fields, params.splits)
    used = {name: takes for name, takes in found.items() if name in splits}
    sizes = {
        name: image_files.shape_of(takes, trusted, params.resample_px)
        for name, takes in tqdm(used.items(), desc="sizes", unit="image")
    }
    images = image_sheet.lay_out(sizes, splits, fields)
    counts = ", ".join(f"{[splits[each] for each in used].count(name)} {name}" for name in SPLITS)
    log.info("%s: %s images, %d in no split", params.images, counts, len(found) - len(used))
    return images, used


def _sound(params: FolderScene, trusted: Sequence[Path]) -> tuple[dict[str, Takes], set[str]]:
    """The images, and the names of those that are skipped, which the log names."""
    found, lacking = image_files.gather(params)
    if lacking and "damaged" not in params.skip:
        name, why = next(iter(lacking.items()))
        raise PipelineError(
            f"the image {name} of {params.images} has {why}; add it, or set scene.skip to [damaged]"
        )
    every = {*found, *lacking}
    _tell("incomplete", lacking)
    if "damaged" in params.skip:
        found = _without(found, "damaged", image_files.damaged(found, params, trusted))
    if "duplicates" in params.skip:
        found = _without(found, "duplicates", image_files.duplicates(found))
    dates = sum(map(len, found.values()))
    found, cloudy = image_files.clear(found, params, trusted)
    _tell("clouded", cloudy)
    if params.clouds and params.clouds.max_share < 1:
        log.info("%d of %d dates are clear enough", sum(map(len, found.values())), dates)
    if not found:
        raise PipelineError(
            f"no image of {params.images} is complete and clear; correct the patterns of scene.bands, or "
            "raise scene.clouds.max_share"
        )
    return found, every - set(found)


def _without(found: dict[str, Takes], kind: str, gone: Mapping[str, str]) -> dict[str, Takes]:
    _tell(kind, gone)
    return {name: takes for name, takes in found.items() if name not in gone}


def _tell(kind: str, skipped: Mapping[str, str]) -> None:
    if skipped:
        named = "; ".join(f"{name} ({why})" for name, why in list(skipped.items())[:NAMED])
        more = f" and {len(skipped) - NAMED} more" if len(skipped) > NAMED else ""
        log.warning("%d images are skipped as %s: %s%s", len(skipped), kind, named, more)


def copy(
    images: list[SheetImage],
    files: Mapping[str, Takes],
    params: FolderScene,
    target: Path,
    scl: Path,
    trusted: Sequence[Path] = (),
) -> Grid:
    """Copy the images onto the sheet, one at a time, in their own dtype.

    Args:
        images: the images.
        files: of each, by its name.
        params: bands and resolution.
        target: where to write the sheet.
        scl: where to write the scene classes, if the parameters say what is cloud.
        trusted: files and folders that the images may name, besides their own folders.

    Returns:
        The sheet's grid.

    Raises:
        PipelineError: if an image lacks a band, has another dtype or number of dates than the first, or is
            damaged.
    """
    grid = image_sheet.sheet(images, params.resolution_m)
    first = files[images[0].name]
    dtype = image_files.dtype_of(first, trusted)
    missing = missing_value(dtype)
    names = image_files.band_names(params, len(first))
    profile: cog.RasterProfile = {
        "dtype": dtype,
        "count": len(names),
        "nodata": missing,
        "descriptions": names,
        "resampling": "average",
    }
    with ExitStack() as stack:
        out = stack.enter_context(cog.writing(target, grid, **profile))
        clouds = stack.enter_context(_clouds(scl, grid)) if params.clouds else None
        if clouds is not None:
            for piece in blocks(grid.shape, FILL_PX):
                clouds.write(np.full((piece.height, piece.width), UNCLASSIFIED, np.uint8), piece)
        for image in tqdm(images, desc="images", unit="image"):
            takes = files[image.name]
            _require_dates(image.name, takes, first, params)
            height, width = image.window[2:]
            found = image_files.read(takes, (height, width), params, trusted)
            if found.dtype != dtype:
                paths = takes[0].bands[0][0], first[0].bands[0][0]
                raise PipelineError(f"{paths[0]} holds {found.dtype} values, but {paths[1]} {dtype}")
            out.write(marked(found.bands.astype(dtype), found.valid, missing), image.window)
            if clouds is not None:
                clouds.write(np.where(found.clouded, CLOUD, UNCLASSIFIED).astype(np.uint8), image.window)
    return grid


def _clouds(scl: Path, grid: Grid) -> Any:
    return cog.writing(scl, grid, dtype="uint8", descriptions=["SCL"], resampling="mode")


def _require_dates(name: str, takes: Takes, first: Takes, params: FolderScene) -> None:
    if params.dates == "stack" and len(takes) != len(first):
        raise PipelineError(
            f"the image {name} has {len(takes)} dates, but the first has {len(first)}; stacked dates are the "
            "same number for all, so set scene.dates to each or median"
        )


def missing_value(dtype: str) -> float:
    """The value that stands for missing pixels: 0 of unsigned numbers, the lowest of signed ones, NaN."""
    kind = np.dtype(dtype).kind
    if kind == "f":
        return float("nan")
    return 0.0 if kind == "u" else float(np.iinfo(dtype).min)


def marked(pixels: NDArray[Any], valid: NDArray[np.bool_], missing: float) -> NDArray[Any]:
    """Pixels with the missing value where they are not valid, and nowhere else.

    Args:
        pixels: ``(bands, height, width)``.
        valid: ``(height, width)``.
        missing: see `missing_value`.
    """
    if not np.isnan(missing):
        pixels = np.maximum(pixels, np.array(missing + 1, pixels.dtype))
    pixels[:, ~valid] = missing
    return pixels


def provenance(files: Mapping[str, Takes]) -> dict[str, Any]:
    """Properties of the images for the STAC Item: their number, and the SHA-256 of all bytes in order."""
    digest = hashlib.sha256()
    for name in sorted(files):
        for path in image_files.all_files(files[name]):
            digest.update(path.read_bytes())
    return {"simulated": False, "source:pictures": len(files), "source:sha256": digest.hexdigest()}
