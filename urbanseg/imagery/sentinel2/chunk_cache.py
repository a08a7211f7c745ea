"""Parts of a scene that were fetched, kept on disk until the scene is complete.

A part is a small GeoTIFF named by the digest of the request that it answers, so that a
broken run asks only for what is missing, and another request never gets a wrong part.
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
"""Requests under way at a time; each holds one part in memory."""


@dataclass(frozen=True)
class Part:
    """A request: what identifies it, the grid of the answer, and how to get it.

    `fetch` returns ``(bands, height, width)`` uint16 and raises PipelineError.
    """

    key: Mapping[str, Any]
    grid: Grid
    fetch: Callable[[], NDArray[np.uint16]]


def fetch(parts: Sequence[Part], folder: Path, title: str) -> list[Path]:
    """Fetch the parts that `folder` lacks; returns the files of all, in order.

    Raises:
        PipelineError: as a part's `fetch` does; what arrived until then is kept.
    """
    paths = [folder / f"{_digest(part)}.tif" for part in parts]
    missing = [(part, path) for part, path in zip(parts, paths, strict=True) if not _whole(path, part.grid)]
    with (
        tqdm(total=len(parts), initial=len(parts) - len(missing), desc=title, unit="part") as bar,
        ThreadPoolExecutor(WORKERS) as pool,
    ):
        running = [pool.submit(_save, part, path) for part, path in missing]
        try:
            for done in as_completed(running):
                done.result()
                bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return paths


def _digest(part: Part) -> str:
    """What a request is told apart by: its key and its grid, as 32 hexadecimal digits."""
    where = {"crs": part.grid.crs.to_wkt(), "transform": part.grid.transform[:6], "shape": part.grid.shape}
    text = json.dumps({**part.key, **where}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _whole(path: Path, grid: Grid) -> bool:
    """Whether a part lies there in full; a damaged one is fetched again."""
    try:
        with rasterio.open(path, driver="GTiff") as dataset:
            return bool((dataset.height, dataset.width) == grid.shape)
    except RasterioError:
        return False


def _save(part: Part, path: Path) -> None:
    pixels = part.fetch()
    profile = {
        "driver": "GTiff",
        "dtype": "uint16",
        "count": len(pixels),
        "height": part.grid.height,
        "width": part.grid.width,
        "crs": part.grid.crs.to_wkt(),
        "transform": part.grid.transform,
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
