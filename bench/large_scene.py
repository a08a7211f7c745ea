"""Memory, time and seams of a large scene assembled from many requests, on loopback.

``python -m bench.large_scene [--side 10240] [--dates 1]`` fetches a scene of side × side
pixels and four bands from the loopback Sentinel Hub, and compares the files byte by byte
with a reference that was never split. With more dates, it is their median.
"""

import argparse
import filecmp
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.conftest import ROOT
from tests.protocol.scenes.conftest import Town
from tests.protocol.scenes.loopback import running
from tests.protocol.scenes.server import CLIENT_ID, CLIENT_SECRET
from tests.protocol.scenes.world import LEFT, TOP, Product, centres, day
from urbanseg.grid import Grid, strips
from urbanseg.imagery.sentinel2 import acquisitions
from urbanseg.io import cog, raster

BANDS = ("B02", "B03", "B04", "B08")


def main() -> None:
    """Fetch, measure, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=10_240, help="pixels")
    parser.add_argument("--dates", type=int, default=1, help="1, or as many as the median is of")
    asked = parser.parse_args()
    bounds = (LEFT, TOP - 10 * asked.side, LEFT + 10 * asked.side, TOP)
    products = [
        Product(day(6, 1 + number), 0.05 + number / 50, bounds=bounds) for number in range(asked.dates)
    ]

    with tempfile.TemporaryDirectory() as name, running(Path(name)) as (archive, url):
        archive.reset(products)
        folder = Path(name)
        town = Town(folder, archive, url)
        town.side = asked.side
        os.chdir(folder)
        town.write(_scene(town, asked.dates))
        started = time.monotonic()
        peak = _run()
        seconds = time.monotonic() - started
        delivered = Path("data/scene/town")
        with raster.reading(delivered / "scene.tif") as scene:
            grid = scene.grid
        _reference(products, grid, folder)
        same = all(
            filecmp.cmp(delivered / file, folder / file, shallow=False) for file in ("scene.tif", "scl.tif")
        )
        requests = archive.count("/process")
    print(f"{grid.width} × {grid.height} pixels, {requests} requests, {seconds:.0f} s")
    print(f"peak memory {peak / 1e9:.2f} GB (limit 1.5); bytes are those of the unsplit reference: {same}")
    sys.exit(0 if same and peak < 1.5e9 else 1)


def _scene(town: Town, dates: int) -> dict[str, object]:
    rule = {"rule": "median", "dates": dates} if dates > 1 else {"rule": "least_cloud"}
    scene = town.scene("cdse", choose=rule, request_px=2304)
    return scene | {"patience": {"attempts": 2, "wait_s": 1, "timeout_s": 300}}


def _run() -> float:
    """Run the stage; returns its peak resident memory in bytes."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SH_CLIENT_ID": CLIENT_ID,
        "SH_CLIENT_SECRET": CLIENT_SECRET,
        "OAUTHLIB_INSECURE_TRANSPORT": "1",
        "XDG_CONFIG_HOME": "config",
    }
    stage = subprocess.Popen([sys.executable, "-m", "stages.scene", "town"], env=environment)
    _, status, usage = os.wait4(stage.pid, 0)
    if status:
        sys.exit("the stage failed")
    return usage.ru_maxrss * 1024


def _reference(products: list[Product], grid: Grid, folder: Path) -> None:
    """Write what the scene should be, strip by strip over its whole width."""
    left, _, right, top = grid.bounds
    with (
        cog.writing(folder / "scene.tif", grid, dtype="uint16", count=4, nodata=0, descriptions=BANDS,
                       resampling="average") as scene,
        cog.writing(folder / "scl.tif", grid, dtype="uint8", nodata=0, descriptions=["SCL"]) as scl,
    ):  # fmt: skip
        for strip in strips(grid.shape, 256):
            below = top - 10 * (strip.row + strip.height)
            x, y = centres((left, below, right, top - 10 * strip.row), strip.width, strip.height)
            codes = np.stack([product.codes(x, y) for product in products])
            pixels = np.stack([
                [np.maximum(1, product.reflectance(band, x, y)) for band in BANDS] for product in products
            ]).astype(np.uint16)  # fmt: skip
            merged = (pixels[0], codes[0]) if len(products) == 1 else acquisitions.median(pixels, codes)
            scene.write(merged[0], strip)
            scl.write(merged[1], strip)


if __name__ == "__main__":
    main()
