"""Cache on disk of the chunks of a scene, until the scene is complete.

A chunk is a small GeoTIFF named by the digest of its request, so that an interrupted run
requests only what is missing, and another request never gets a wrong chunk.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from tqdm import tqdm

from urbanseg.grid import BLOCK_PX, Grid
from urbanseg.io.files import atomic

WORKERS = 2
"""Requests at a time; each holds one chunk in memory."""


@dataclass(frozen=True)
class Chunk:
    """A request: its identity, the grid of the response, and the function that makes it.

    `fetch` returns ``(bands, height, width)`` uint16 and raises PipelineError.
    """

    key: Mapping[str, Any]
    grid: Grid
    fetch: Callable[[], NDArray[np.uint16]]


def fetch(chunks: Sequence[Chunk], folder: Path, title: str) -> list[Path]:
    """Fetch the chunks that `folder` lacks.

    Args:
        chunks: all that are needed.
        folder: the cache.
        title: of the progress bar.

    Returns:
        The files of all chunks, in order.

    Raises:
        PipelineError: as a chunk's `fetch` does; chunks that were fetched before are kept.
    """
    paths = [folder / f"{_digest(chunk)}.tif" for chunk in chunks]
    missing = [
        (chunk, path) for chunk, path in zip(chunks, paths, strict=True) if not _is_complete(path, chunk.grid)
    ]
    with (
        tqdm(total=len(chunks), initial=len(chunks) - len(missing), desc=title, unit="chunk") as bar,
        ThreadPoolExecutor(WORKERS) as pool,
    ):
        running = [pool.submit(_save, chunk, path) for chunk, path in missing]
        try:
            for done in as_completed(running):
                done.result()
                bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return paths


def _digest(chunk: Chunk) -> str:
    """Digest of a request by its key and its grid, as 32 hexadecimal digits."""
    where = {"crs": chunk.grid.crs.to_wkt(), "transform": chunk.grid.transform[:6], "shape": chunk.grid.shape}
    text = json.dumps({**chunk.key, **where}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _is_complete(path: Path, grid: Grid) -> bool:
    """Whether a chunk is complete; a damaged one is fetched again."""
    try:
        with rasterio.open(path, driver="GTiff") as dataset:
            return bool((dataset.height, dataset.width) == grid.shape)
    except RasterioError:
        return False


def _save(chunk: Chunk, path: Path) -> None:
    pixels = chunk.fetch()
    profile = {
        "driver": "GTiff",
        "dtype": "uint16",
        "count": len(pixels),
        "height": chunk.grid.height,
        "width": chunk.grid.width,
        "crs": chunk.grid.crs.to_wkt(),
        "transform": chunk.grid.transform,
        "tiled": True,
        "blockxsize": BLOCK_PX,
        "blockysize": BLOCK_PX,
        "compress": "deflate",
        "zlevel": 1,
        "predictor": 2,
        "interleave": "pixel",
    }
    with atomic(path) as temporary, rasterio.open(temporary, "w", **profile) as dataset:
        dataset.write(pixels)
