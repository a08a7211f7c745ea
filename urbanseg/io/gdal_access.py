"""Opens rasters from outside: with allowed drivers, after a check of the files that they name.

No other module opens them. A path may be an address that the user gave: then GDAL requests
that one file, with the time-outs of `drivers`.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import rasterio
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader

from urbanseg.config.addresses import address
from urbanseg.config.base import check_url
from urbanseg.errors import PipelineError, require_readable
from urbanseg.io import references
from urbanseg.io.drivers import REMOTE, SINGLE_FILE, open_with
from urbanseg.io.references import UnreadableError


@contextmanager
def opened(path: Path, trusted: Sequence[Path] = ()) -> Iterator[DatasetReader]:
    """Open a raster.

    Args:
        path: a file, or an address of http or https.
        trusted: folders and files that the file may name, besides its own folder.

    Yields:
        The open dataset.

    Raises:
        PipelineError: if it is missing, names other files, or is no raster of the
            allowed formats.
    """
    url = address(path)
    dataset = _local(path, trusted) if url is None else _remote(url)
    with dataset:
        yield dataset


def _local(path: Path, trusted: Sequence[Path]) -> DatasetReader:
    _require_file(path)
    checked = references.require_contained(path, trusted)
    name = os.path.abspath(path)  # noqa: PTH100, so that no driver takes the name for something else
    try:
        dataset = open_with(name, ("VRT",) if references.is_vrt(path) else SINGLE_FILE)
    except RasterioIOError as error:
        require_readable(path)
        raise UnreadableError(f"{path} is not a raster that GDAL can open; it may be damaged") from error
    _require_bands(path, dataset)
    allowed = references.places(path, trusted)
    for file in dataset.files:
        if os.path.abspath(file) not in checked and not references.contains(allowed, file):  # noqa: PTH100
            dataset.close()
            raise PipelineError(
                f"{path} makes GDAL open {file}, which lies in another folder; put it beside {path}, "
                "or into the inputs of the city"
            )
    return dataset


def _require_file(path: Path) -> None:
    """Refuse what is no regular file, before something waits for its content.

    Raises:
        UnreadableError: saying what it is instead.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise UnreadableError(
            f"{path} does not exist; check the path, or run the stage that makes it"
        ) from None
    except OSError as error:
        raise UnreadableError(f"{path} cannot be opened ({error.strerror}); correct the path") from error
    if stat.S_ISDIR(mode):
        raise UnreadableError(
            f"{path} is not a raster that GDAL can open but a folder: name a file in the folder"
        )
    if not stat.S_ISREG(mode):
        raise UnreadableError(
            f"{path} is not a raster that GDAL can open: it is a pipe or a device; name a file"
        )
    references.require_plain_neighbours(path)


def _require_bands(path: Path | str, dataset: DatasetReader) -> None:
    if not dataset.count:
        within = ", ".join(name.rpartition(":")[2] for name in dataset.subdatasets[:5]) or "none"
        dataset.close()
        raise UnreadableError(
            f"{path} is not a raster that GDAL can open as one: it has no bands of its own (rasters within: "
            f"{within}); write the one that is meant to a file of its own, with gdal_translate"
        )


def _remote(url: str) -> DatasetReader:
    try:
        check_url(url)
    except ValueError as error:
        raise PipelineError(f"the address of the raster {error}") from None
    try:
        # Otherwise GDAL requests files that may lie beside it.
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
            dataset = open_with(url, REMOTE)
    except RasterioIOError as error:
        raise PipelineError(
            f"{url} does not answer with a raster ({', '.join(REMOTE)}); check the address and the network, "
            "or download the file"
        ) from error
    _require_bands(url, dataset)
    if any(dataset.tags(ns=domain) for domain in references.NAMING_METADATA.values()):
        dataset.close()
        raise PipelineError(f"{url} names other files in its metadata; download it and convert it to GeoTIFF")
    return dataset
