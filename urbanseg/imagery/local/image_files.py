"""The files of a folder of images: which belong to an image, and its pixels from them.

An image has a file for all bands or one for each, of one date or several, and perhaps one that says what is
cloud. Bands of several resolutions are brought to that of the largest file, and images to another size, by
bilinear interpolation, or by the average where they shrink.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from urbanseg.config.folder import FolderScene
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.imagery.local.image_dates import NearestDate
from urbanseg.io import image_sheet, raster
from urbanseg.io.georeference import IN_PIXELS

Shape = tuple[int, int]


@dataclass(frozen=True)
class Take:
    """What belongs to one date of an image: file and number of each band, and the file of its clouds."""

    bands: tuple[tuple[Path, int], ...]
    clouds: Path | None = None

    @property
    def files(self) -> list[Path]:
        """All files, each once."""
        return list(
            dict.fromkeys([*(path for path, _ in self.bands), *([self.clouds] if self.clouds else [])])
        )


Takes = tuple[Take, ...]
"""The dates of an image in their order; one if it has none."""


@dataclass(frozen=True)
class Pixels:
    """Bands ``(bands, height, width)``, and which pixels hold data and are cloud, ``(height, width)``."""

    bands: NDArray[Any]
    valid: NDArray[np.bool_]
    clouded: NDArray[np.bool_]

    @property
    def dtype(self) -> str:
        """The type that a sheet keeps them in: floating point is of 32 bits."""
        return "float32" if self.bands.dtype.kind == "f" else self.bands.dtype.name


def gather(params: FolderScene) -> tuple[dict[str, Takes], dict[str, str]]:
    """The images of a folder by their names, and those that lack a file with what they lack.

    Raises:
        PipelineError: if no file fits a pattern, or one has fields that the first has not.
    """
    wanted = list(params.files.values())
    found = {pattern: image_sheet.find(pattern) for pattern, _ in wanted}
    nearest = {pattern: NearestDate(pattern, found[pattern]) for pattern in params.of_nearest_date}
    clouds = image_sheet.find(params.clouds.images) if params.clouds else {}
    base = wanted[0][0]
    own = image_sheet.fields(base)
    takes: dict[str, list[Take]] = {}
    lacking = {}
    for name in found[base]:
        paths = [
            nearest[pattern].of(name, own, base)
            if pattern in nearest
            else found[pattern].get(image_sheet.key(name, own, pattern))
            for pattern, _ in wanted
        ]
        cloud = clouds.get(image_sheet.key(name, own, params.clouds.images)) if params.clouds else None
        if None in paths or (params.clouds and cloud is None):
            missing = [band for band, path in zip(params.bands, paths, strict=True) if path is None]
            lacking[image_name(name, params)] = f"no file of {', '.join(missing) or 'its clouds'}"
            continue
        bands = tuple((path, number) for path, (_, number) in zip(paths, wanted, strict=True) if path)
        takes.setdefault(image_name(name, params), []).append(Take(bands, cloud))
    return {name: tuple(each) for name, each in takes.items()}, lacking


def image_fields(params: FolderScene) -> tuple[str, ...]:
    """The fields of which images are named: without the date, where dates are put together."""
    own = image_sheet.fields(params.files[next(iter(params.bands))][0])
    return tuple(field for field in own if params.dates in {None, "each"} or field != image_sheet.DATE)


def image_name(name: str, params: FolderScene) -> str:
    """The name of the image that files of a name belong to."""
    own = image_sheet.fields(params.files[next(iter(params.bands))][0])
    kept = image_fields(params)
    return "/".join(value for field, value in zip(own, name.split("/"), strict=True) if field in kept)


def band_names(params: FolderScene, dates: int) -> list[str]:
    """Names of the sheet's bands; of stacked dates with their numbers, ``B02_1``."""
    if params.dates != "stack":
        return list(params.bands)
    return [f"{name}_{date}" for date in range(1, dates + 1) for name in params.bands]


def shape_of(takes: Takes, trusted: Sequence[Path], resample_px: int | None) -> Shape:
    """Height and width of an image: of its largest file, or with its longest side as long as is asked for.

    Args:
        takes: its dates, of which the first counts.
        trusted: files and folders that the files may name, besides their own folders.
        resample_px: of the longest side; None for that of the file.
    """
    shapes = []
    for path in dict.fromkeys(path for path, _ in takes[0].bands):
        with image_sheet.opened(path, trusted) as file:
            shapes.append((file.height, file.width))
    height, width = max(shapes)
    if resample_px is None:
        return height, width
    scale = resample_px / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def dtype_of(takes: Takes, trusted: Sequence[Path]) -> str:
    """The type that holds the bands of an image.

    Raises:
        PipelineError: if a file lacks a band, is damaged, or holds what no raster of a scene can.
    """
    types = set()
    for path, number in takes[0].bands:
        with image_sheet.opened(path, trusted) as file:
            _require_bands(path, file, [number])
            types.add(file.dtypes[number - 1])
    dtype = raster.common_dtype(types)
    if np.dtype(dtype).kind not in "uif":
        raise PipelineError(
            f"{takes[0].bands[0][0]} holds {dtype} values; convert the images to real numbers"
        )
    return "float32" if np.dtype(dtype).kind == "f" else dtype


def read(takes: Takes, shape: Shape, params: FolderScene, trusted: Sequence[Path]) -> Pixels:
    """The pixels of an image.

    Args:
        takes: its dates.
        shape: wanted.
        params: what becomes of dates, and what is cloud.
        trusted: files and folders that the files may name, besides their own folders.

    Raises:
        PipelineError: if a file is damaged.
    """
    parts = [_read_take(take, shape, params, trusted) for take in takes]
    if len(parts) == 1:
        return parts[0]
    if params.dates == "stack":
        return Pixels(
            np.concatenate([part.bands for part in parts]),
            np.logical_and.reduce([part.valid for part in parts]),
            np.logical_or.reduce([part.clouded for part in parts]),
        )
    return _median(parts)


def _median(parts: Sequence[Pixels]) -> Pixels:
    """The median of the clear dates of each pixel; cloud where all dates with data are."""
    valid = np.stack([part.valid for part in parts])
    clear = valid & ~np.stack([part.clouded for part in parts])
    any_valid, any_clear = np.logical_or.reduce(valid), np.logical_or.reduce(clear)
    shown = np.where(any_clear, clear, valid)
    bands = np.stack([part.bands for part in parts])
    hidden = np.broadcast_to(~shown[:, None], bands.shape)
    middle = np.ma.median(np.ma.masked_array(bands, hidden), axis=0)  # type: ignore[no-untyped-call]
    values = middle.filled(0)
    whole = np.rint(values) if bands.dtype.kind in "ui" else values
    return Pixels(whole.astype(bands.dtype), any_valid, any_valid & ~any_clear)


def _read_take(take: Take, shape: Shape, params: FolderScene, trusted: Sequence[Path]) -> Pixels:
    bands: list[NDArray[Any]] = [np.empty(0)] * len(take.bands)
    valid = np.ones(shape, bool)
    for path in dict.fromkeys(path for path, _ in take.bands):
        places = [place for place, (file, _) in enumerate(take.bands) if file == path]
        numbers = [take.bands[place][1] for place in places]
        with image_sheet.opened(path, trusted) as file:
            _require_bands(path, file, numbers)
            reader = _reader(path, file)
            pixels, known = reader.read(bands=numbers), reader.valid(bands=numbers)
        for place, band in zip(places, pixels, strict=True):
            bands[place] = resized(np.where(known, band, 0) if band.dtype.kind == "f" else band, shape)
        valid &= resized(known, shape)
    clouded = resized(clouds(take, params, trusted), shape) if take.clouds else np.zeros(shape, bool)
    dtype = raster.common_dtype({band.dtype.name for band in bands})
    return Pixels(np.stack([band.astype(dtype) for band in bands]), valid, clouded)


def clouds(take: Take, params: FolderScene, trusted: Sequence[Path]) -> NDArray[np.bool_]:
    """Which pixels of a date are cloud, ``(height, width)`` of the file that says it.

    Args:
        take: a date that has such a file.
        params: its values that are cloud.
        trusted: files and folders that the file may name, besides its own folder.
    """
    if params.clouds is None or take.clouds is None:
        raise ValueError("the parameters or the date name no file of clouds")
    with image_sheet.opened(take.clouds, trusted) as file:
        codes = _reader(take.clouds, file).read_band()
    return np.isin(codes, params.clouds.values)


def clear(
    images: Mapping[str, Takes], params: FolderScene, trusted: Sequence[Path]
) -> tuple[dict[str, Takes], dict[str, str]]:
    """The images with the dates that are clear enough, and those that have none, with why.

    Args:
        images: by their names.
        params: what is cloud, and how much of it is too much.
        trusted: files and folders that the files may name, besides their own folders.
    """
    if params.clouds is None or params.clouds.max_share >= 1:
        return dict(images), {}
    most = params.clouds.max_share
    found, cloudy = {}, {}
    for name, takes in images.items():
        kept = tuple(take for take in takes if clouds(take, params, trusted).mean() <= most)
        if kept:
            found[name] = kept
        else:
            cloudy[name] = f"more than {most:.0%} of it is cloud"
    return found, cloudy


def _require_bands(path: Path, file: DatasetReader, numbers: Sequence[int]) -> None:
    if (highest := max(numbers)) > file.count:
        raise PipelineError(f"{path} has {file.count} bands, but bands asks for band {highest}")


def _reader(path: Path, file: DatasetReader) -> raster.Reader:
    """A file that need not say where it lies."""
    grid = Grid(image_sheet.PLACEHOLDER_CRS, IN_PIXELS, file.height, file.width)
    return raster.Reader(path, file, grid)


def resized(values: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """A band or mask ``(height, width)`` in another size: interpolated, averaged, or the nearest pixel's."""
    if values.shape == shape:
        return values
    size = shape[1], shape[0]
    if values.dtype == bool:
        nearest = cv2.resize(values.view(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
        return np.asarray(nearest > 0)
    rule = cv2.INTER_AREA if shape[0] < values.shape[0] else cv2.INTER_LINEAR
    exact = cv2.resize(values.astype(np.float64), size, interpolation=rule)
    limits = np.iinfo(values.dtype) if values.dtype.kind in "ui" else None
    whole = exact if limits is None else np.clip(np.rint(exact), limits.min, limits.max)
    return np.asarray(whole.astype(values.dtype))


def damaged(images: Mapping[str, Takes], params: FolderScene, trusted: Sequence[Path]) -> dict[str, str]:
    """The images that cannot be read to their end, and why.

    Args:
        images: by their names.
        params: how they are read.
        trusted: files and folders that the files may name, besides their own folders.
    """
    found = {}
    for name, takes in images.items():
        try:
            dtype_of(takes, trusted)
            read(takes, shape_of(takes, trusted, params.resample_px), params, trusted)
        except PipelineError as error:
            found[name] = str(error)
    return found


def duplicates(images: Mapping[str, Takes]) -> dict[str, str]:
    """The images whose files are, byte for byte, those of one before, and its name."""
    first: dict[str, str] = {}
    found = {}
    for name in sorted(images):
        digest = hashlib.sha256()
        for path in all_files(images[name]):
            digest.update(path.read_bytes())
        if (other := first.setdefault(digest.hexdigest(), name)) != name:
            found[name] = f"the same bytes as {other}"
    return found


def all_files(takes: Takes) -> Iterator[Path]:
    """The files of an image, date after date."""
    for take in takes:
        yield from take.files
