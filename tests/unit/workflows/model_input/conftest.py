"""Miniatures of products: small rasters as the archives deliver them, and two models without weights."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray

from urbanseg.model.spec import Spec
from urbanseg.workflows.model_input.image import ModelInput
from urbanseg.workflows.model_input.opening import open_for_model
from urbanseg.workflows.model_input.sources import gather

S2 = Spec(
    ["B02", "B03", "B04", "B08"], [1032.8, 1193.5, 1208.1, 2508.0], [512.1, 550.9, 705.4, 1079.8],
    ["urban", "water"], "Unet", "resnet18",
)  # fmt: skip
"""As the embedded city trains it, without a note of pixel size and units."""

RGB = Spec(
    ["red", "green", "blue"], [113.0, 111.0, 101.0], [60.0, 58.0, 58.0], ["urban", "water"], "Unet",
    "resnet18",
    resolution_m=0.5, units="uint8",
)  # fmt: skip

UTM = "EPSG:32632"


def reflectance(height: int = 60, width: int = 80, seed: int = 0) -> NDArray[np.float64]:
    """Blue, green, red and near infrared of fields, a town and a lake, 0–1: ``(4, height, width)``."""
    rng = np.random.default_rng(seed)
    land = np.array([0.05, 0.08, 0.06, 0.32])[:, None, None] * rng.lognormal(0, 0.25, (4, height, width))
    town = np.array([0.12, 0.13, 0.14, 0.2])[:, None, None] * rng.lognormal(0, 0.3, (4, height, width))
    lake = np.array([0.03, 0.025, 0.015, 0.008])[:, None, None] * rng.lognormal(0, 0.1, (4, height, width))
    pixels = np.where(np.arange(width) < width // 2, land, town)
    pixels[:, : height // 6] = lake[:, : height // 6]
    return pixels


def write(
    path: Path,
    pixels: NDArray[Any],
    names: Sequence[str] = (),
    pixel: float = 10.0,
    crs: str | None = UTM,
    transform: Affine | None = None,
    colors: Sequence[Any] = (),
    **profile: Any,
) -> Path:
    """Write bands ``(bands, height, width)`` as a GeoTIFF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "GTiff", "count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2],
        "dtype": pixels.dtype, "crs": crs,
        "transform": transform or Affine(pixel, 0, 500_000, 0, -pixel, 5_400_000),
    } | profile  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels)
        if names:
            file.descriptions = tuple(names)
        if colors:
            file.colorinterp = list(colors)
    return path


@pytest.fixture
def opened() -> Callable[..., AbstractContextManager[ModelInput]]:
    """Opens the one image that files are."""

    def one(files: Path | Sequence[Path], spec: Spec = S2, **options: Any) -> Any:
        paths = [files] if isinstance(files, Path) else list(files)
        (source,) = gather(paths, numbered="bands" in options)
        return open_for_model(source, spec, **options)

    return one
