"""A look at an image that came from outside, in a process of its own that may use little time and memory.

``python -m urbanseg.review.inspection IMAGE`` prints its size as JSON, and with a second name also writes a
cloud-optimised copy of it there, for its tiles.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.shutil
from rasterio.errors import RasterioError

from urbanseg.errors import PipelineError
from urbanseg.io import files, gdal_access
from urbanseg.review.refusals import RefusedError

BEGINNINGS = {
    "tif": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "jpg": (b"\xff\xd8\xff",),
    "png": (b"\x89PNG\r\n\x1a\n",),
}
"""First bytes of each type that is taken, by the ending that its file gets."""

MOST_PIXELS = 1 << 31
"""Of an image: 46,000 × 46,000."""

UNPACKED, MOST_RATIO = 1 << 30, 200
"""Bytes from which an image may unpack to so many times its size at most."""

SECONDS, MEMORY = 30, 4 << 30
"""Of processor time and address space for a look."""


def type_of(head: bytes) -> str:
    """The ending for a file that begins so.

    Raises:
        RefusedError: if it is no GeoTIFF, JPEG or PNG, whatever it is called.
    """
    for ending, beginnings in BEGINNINGS.items():
        if head.startswith(beginnings):
            return ending
    raise RefusedError(
        415, "the file is no GeoTIFF, JPEG or PNG; convert it, for example with gdal_translate"
    )


def require_harmless(path: Path) -> None:
    """Refuse an image that cannot be opened, is too large, or unpacks to far more than it is.

    Raises:
        RefusedError: with what is wrong.
    """
    command = [sys.executable, "-m", "urbanseg.review.inspection", str(path.resolve())]
    try:
        done = subprocess.run(  # noqa: S603, our own program
            command, capture_output=True, text=True, timeout=4 * SECONDS, preexec_fn=_bound, check=False
        )
    except subprocess.TimeoutExpired:
        raise RefusedError(415, "the image takes too long to be opened; convert it to a GeoTIFF") from None
    if done.returncode:
        raise RefusedError(415, "the image cannot be opened; it may be damaged")
    found = json.loads(done.stdout)
    if found["pixels"] > MOST_PIXELS:
        raise RefusedError(
            413, f"the image has {found['pixels']:.1e} pixels, {MOST_PIXELS:.1e} may be; cut it"
        )
    if found["bytes"] > max(UNPACKED, MOST_RATIO * path.stat().st_size):
        raise RefusedError(
            413,
            f"the image unpacks to {found['bytes'] >> 20} MB, {MOST_RATIO} times its size or more; map it "
            "with urbanseg map, if you trust it",
        )


def _bound() -> None:
    """Limit the process that looks."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def described(path: Path) -> dict[str, Any]:
    """How many pixels an image has, and how many bytes they are."""
    with gdal_access.opened(path) as dataset:
        pixels = dataset.width * dataset.height
        each = sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    return {"pixels": pixels, "bytes": pixels * each}


def copy_for_tiles(source: Path, target: Path) -> None:
    """Write an image as a cloud-optimised GeoTIFF."""
    with gdal_access.opened(source) as dataset, files.atomic(target) as made:
        rasterio.shutil.copy(
            dataset, made, driver="COG", compress="deflate", overview_resampling="average", bigtiff="if_safer"
        )


if __name__ == "__main__":
    try:
        print(json.dumps(described(Path(sys.argv[1]))))
        if len(sys.argv) > 2:
            copy_for_tiles(Path(sys.argv[1]), Path(sys.argv[2]))
    except (PipelineError, RasterioError, OSError, MemoryError) as error:
        sys.exit(f"error: {error}")
