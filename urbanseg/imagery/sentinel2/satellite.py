"""A Sentinel-2 scene from any archive: search, preview, choose, fetch in chunks, assemble.

An archive is two functions: search for products, and read the pixels of an acquisition on
a grid. All rules are here, so that they are the same for every archive. Chunks are cached
until the scene is delivered; memory is bounded by a chunk.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from tqdm import tqdm

from urbanseg.config.base import to_utc_text
from urbanseg.config.scene import SatelliteScene
from urbanseg.grid import BLOCK_PX, Grid, Window, strips
from urbanseg.imagery.sentinel2 import acquisitions
from urbanseg.imagery.sentinel2.acquisitions import Acquisition, Candidate, NoSceneError, Product
from urbanseg.imagery.sentinel2.area import Area, inside
from urbanseg.imagery.sentinel2.chunk_cache import Chunk, fetch
from urbanseg.imagery.sentinel2.retry import ResponseError, with_retries
from urbanseg.io import cog, raster

log = logging.getLogger(__name__)

PREVIEW_PX = 512
"""Longest side of a preview."""

MAX_DARK_SHARE = 0.2
"""Share of a band's pixels without reflectance above which the offset is probably wrong."""

CACHE_MB = 128
"""GDAL's block cache; its own default is 5 % of the machine's memory."""


Check = Callable[[NDArray[np.uint16]], None]
"""Raises `ResponseError` if pixels cannot be what was asked for."""


class Archive(Protocol):
    """An archive that scenes are downloaded from."""

    name: str
    identity: Mapping[str, Any]

    def search(self, area: Area) -> list[Product]:
        """Products of the dates that touch the area; raises `ResponseError` or PipelineError."""

    def read(self, acquisition: Acquisition, grid: Grid, bands: Sequence[str]) -> NDArray[np.uint16]:
        """Read the bands and the SCL of an acquisition.

        Args:
            acquisition: what to read.
            grid: of the result.
            bands: names of the bands; may be empty.

        Returns:
            ``(bands + 1, height, width)`` uint16: bands (reflectance × 10000, 0 is nodata),
            and then SCL.

        Raises:
            ResponseError: where a retry may help.
            PipelineError: where it cannot.
        """


@dataclass(frozen=True)
class Delivery:
    """Acquisition time of a scene (a composite: the first and last one), and properties for its STAC Item."""

    moment: str | tuple[str, str]
    properties: dict[str, Any]


def deliver(
    archive: Archive, params: SatelliteScene, area: Area, grid: Grid, folder: Path, scene: Path, scl: Path
) -> Delivery:
    """Fetch a scene and write it with its scene classification.

    Args:
        archive: to download from.
        params: dates, bands and rules.
        area: over which clouds are counted.
        grid: of the scene.
        folder: where fetched chunks are kept; the caller removes it when the scene is delivered.
        scene: where to write the bands (uint16, reflectance × 10000, nodata 0).
        scl: where to write the scene classification (uint8).

    Returns:
        Acquisition time and properties of the scene.

    Raises:
        NoSceneError: if nothing suitable is found.
        PipelineError: if the archive cannot be reached.
    """
    with rasterio.Env(GDAL_CACHEMAX=CACHE_MB):
        download = _Download(archive, params, area, grid, folder)
        chosen = download.choose()
        files = download.fetch(chosen)
        codes = _assemble(files, list(download.windows()), grid, params.bands, scene, scl)
    moments = sorted(to_utc_text(candidate.acquisition.start) for candidate in chosen)
    moment = (moments[0], moments[-1]) if len(moments) > 1 else moments[0]
    return Delivery(moment, _properties(archive, params, chosen, codes))


@dataclass(frozen=True)
class _Download:
    archive: Archive
    params: SatelliteScene
    area: Area
    grid: Grid
    folder: Path

    def choose(self) -> list[Candidate]:
        """Choose acquisitions by their previews."""
        products = with_retries(
            lambda: self.archive.search(self.area), self.archive.name, self.params.patience
        )
        found = acquisitions.group(products)
        if not found:
            raise NoSceneError(
                f"{self.archive.name} has no Sentinel-2 product of {self.area.name} in {self.params.dates}; "
                "widen dates, or correct the area"
            )
        coarse = self.grid.shrunk(PREVIEW_PX)
        chunks = [
            self._chunk(acquisition, coarse, (), self._footprint_check(acquisition)) for acquisition in found
        ]
        previews = fetch(chunks, self.folder, "previews")
        candidates = [
            Candidate(acquisition, _read(path)[0].astype(np.uint8))
            for acquisition, path in zip(found, previews, strict=True)
        ]
        seen = inside(self.area, coarse)
        chosen = acquisitions.choose(
            candidates, seen, self.params.choose, self.params.min_clear, self.area.name
        )
        for candidate in chosen:
            log.info("%s: %.1f %% of the area is clear", candidate.acquisition,
                     100 * acquisitions.share(candidate.clear, seen))  # fmt: skip
        return chosen

    def fetch(self, chosen: Sequence[Candidate]) -> list[list[Path]]:
        """Files with the chunks of each chosen acquisition, by window."""
        chunks = [
            self._chunk(candidate.acquisition, self.grid.window(window), self.params.bands,
                       self._preview_check(candidate, window))
            for candidate in chosen
            for window in self.windows()
        ]  # fmt: skip
        files = fetch(chunks, self.folder, "scene")
        count = len(files) // len(chosen)
        return [files[i * count : (i + 1) * count] for i in range(len(chosen))]

    def windows(self) -> Iterator[Window]:
        """Windows of one request each, row by row."""
        size = self.params.request_px
        for row in range(0, self.grid.height, size):
            for col in range(0, self.grid.width, size):
                yield Window(row, col, min(size, self.grid.height - row), min(size, self.grid.width - col))

    def _chunk(self, acquisition: Acquisition, grid: Grid, bands: Sequence[str], check: Check) -> Chunk:
        shape = (len(bands) + 1, *grid.shape)

        def attempt() -> NDArray[np.uint16]:
            pixels = self.archive.read(acquisition, grid, bands)
            if pixels.shape != shape:
                raise ResponseError(f"it sent {pixels.shape} pixels where {shape} were asked for")
            check(pixels)
            return pixels

        key = {
            **self.archive.identity,
            "bands": list(bands),
            "products": [p.id for p in acquisition.products],
        }
        who = f"{self.archive.name}, {acquisition}"
        return Chunk(key, grid, lambda: with_retries(attempt, who, self.params.patience))

    def _footprint_check(self, acquisition: Acquisition) -> Check:
        """A preview may be empty only where the catalogue says that there is nothing."""
        footprint = shapely.union_all([product.shape for product in acquisition.products])
        promised = footprint.intersection(self.area.shape).area / self.area.shape.area

        def check(pixels: NDArray[np.uint16]) -> None:
            if promised > 0.5 and not pixels.any():
                raise ResponseError(
                    "its preview holds no data where the catalogue promises some", fallback=pixels
                )

        return check

    def _preview_check(self, candidate: Candidate, window: Window) -> Check:
        """A chunk may be empty only where the preview is."""
        coarse = candidate.scl.shape
        rows, cols = self.grid.height / coarse[0], self.grid.width / coarse[1]
        top, left = int(window.row / rows), int(window.col / cols)
        bottom, right = int((window.row + window.height) / rows), int((window.col + window.width) / cols)
        promised = candidate.scl[top : bottom + 1, left : right + 1] > 0

        def check(pixels: NDArray[np.uint16]) -> None:
            if promised.mean() > 0.5 and not pixels[-1].any():
                raise ResponseError("a chunk of the scene holds no data where its preview does")

        return check


def _assemble(
    files: Sequence[Sequence[Path]],
    windows: Sequence[Window],
    grid: Grid,
    bands: Sequence[str],
    scene: Path,
    scl: Path,
) -> NDArray[np.float64]:
    """Write the scene from its chunks; returns the share of each SCL code in it."""
    counts = np.zeros(256, np.int64)
    dark = np.zeros(len(bands), np.int64)
    with (
        cog.writing(
            scene, grid, dtype="uint16", count=len(bands), nodata=0, descriptions=bands, resampling="average"
        ) as out,
        cog.writing(scl, grid, dtype="uint8", nodata=0, descriptions=["SCL"]) as codes_out,
    ):
        for index, window in enumerate(tqdm(windows, desc="assemble", unit="chunk")):
            for strip in strips((window.height, window.width), BLOCK_PX):
                stack = np.stack([_read(dates[index], strip) for dates in files])
                pixels, codes = stack[:, :-1], stack[:, -1].astype(np.uint8)
                merged, code = (
                    (pixels[0], codes[0]) if len(stack) == 1 else acquisitions.median(pixels, codes)
                )
                place = strip._replace(row=window.row + strip.row, col=window.col)
                out.write(merged, place)
                codes_out.write(code, place)
                counts += np.bincount(code.ravel(), minlength=256)
                dark += (merged == 1).sum(axis=(1, 2))
    _warn_of_dark_pixels(dict(zip(bands, dark / max(1, counts[1:].sum()), strict=True)))
    return np.asarray(counts / counts.sum())


def _warn_of_dark_pixels(shares: Mapping[str, float]) -> None:
    """Some products misstate the offset of baseline 04.00, which is then applied twice."""
    band, share = max(shares.items(), key=lambda pair: pair[1])
    if share > MAX_DARK_SHARE:
        log.warning(
            "%.0f %% of the pixels of %s have no reflectance above 0: the archive may say wrongly whether "
            "the offset of baseline 04.00 is in its numbers; compare another date, or see docs/scenes.md",
            100 * share,
            band,
        )


def _read(path: Path, window: Window | None = None) -> NDArray[Any]:
    with raster.reading(path) as chunk:
        return chunk.read(window)


def _properties(
    archive: Archive, params: SatelliteScene, chosen: Sequence[Candidate], codes: NDArray[np.float64]
) -> dict[str, Any]:
    """Properties of the scene's origin, for its STAC Item."""
    return {
        "simulated": False,
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "processing:level": "L2A",
        "raster:scale": 0.0001,
        "raster:offset": 0,
        "source:archive": dict(archive.identity),
        "source:rule": params.choose.rule,
        "eo:cloud_cover": round(100 * float(codes[list(acquisitions.CLOUD)].sum()), 2),
        "source:products": [
            {
                "id": product.id,
                "datetime": to_utc_text(product.moment),
                "baseline": product.baseline,
            }
            for candidate in chosen
            for product in candidate.acquisition.products
        ],
    }
