"""Ground of any extent: the demo city, rendered once, and granules of it for an archive on loopback."""

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from ruamel.yaml import YAML

from tests.conftest import ROOT
from tests.protocol.scenes.world import Product, day
from urbanseg.imagery.simulated.materials import BANDS
from urbanseg.io import raster

OVERLAP_M = 9800.0
"""That granules share with their neighbours, as those of Sentinel-2 do."""


@dataclass(frozen=True)
class MirroredGranule(Product):
    """A granule of an image that is repeated in all directions, every other time mirrored, without clouds."""

    image: str = ""
    """Path of an array ``(bands, height, width)`` uint16, reflectance × 10000."""

    def codes(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.uint8]:
        """SCL at places: vegetation."""
        return np.full(np.broadcast_shapes(x.shape, y.shape), 4, np.uint8)

    def numbers(self, band: str, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.uint16]:
        """Reflectance × 10000 at places."""
        pixels = _image(self.image)[BANDS.index(band)]
        height, width = pixels.shape
        return pixels[_mirrored(y // 10, height), _mirrored(x // 10, width)]


@lru_cache(maxsize=1)
def _image(path: str) -> NDArray[np.uint16]:
    found: NDArray[np.uint16] = np.load(path)
    return found


def _mirrored(at: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Positions in a row of `length` that is run through forth and back."""
    along = at % (2 * length)
    return np.minimum(along, 2 * length - 1 - along)


def granules(image: Path, bounds: tuple[float, float, float, float]) -> list[MirroredGranule]:
    """Four granules of one acquisition that cover a rectangle, and overlap.

    Args:
        image: see `MirroredGranule`.
        bounds: left, bottom, right and top in metres, multiples of 100.
    """
    left, bottom, right, top = bounds
    x, y = (round((low + high) / 200) * 100 for low, high in ((left, right), (bottom, top)))
    half = OVERLAP_M / 2
    boxes = [
        (west, south, east, north)
        for west, east in ((left, x + half), (x - half, right))
        for south, north in ((bottom, y + half), (y - half, top))
    ]
    names = ("32UNU", "32UNV", "32UPU", "32UPV")
    return [
        MirroredGranule(day(7, 14, i), 0.0, "03.01", name, box, str(image))
        for i, (name, box) in enumerate(zip(names, boxes, strict=True))
    ]


def render(folder: Path) -> Path:
    """Render the demo city without clouds, once; returns the path of its array of bands."""
    image = folder / "ground.npy"
    if not image.exists():
        project = folder / "ground"
        project.mkdir(parents=True, exist_ok=True)
        params = YAML().load(ROOT / "params.yaml")
        params["cities"]["demo"]["scene"]["cloud_share"] = 0.0
        with (project / "params.yaml").open("w", encoding="utf-8") as file:
            YAML().dump(params, file)
        command = [sys.executable, "-m", "stages.scene", "demo"]
        subprocess.run(command, cwd=project, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
        with raster.reading(project / "data/scene/demo/scene.tif") as scene:
            np.save(image, scene.read())
    return image


def outline(bounds: tuple[float, float, float, float]) -> str:
    """GeoJSON of a rectangle in metres, in degrees."""
    return str(shapely.to_geojson(Product(day(1, 1), 0.0, bounds=bounds).footprint))
