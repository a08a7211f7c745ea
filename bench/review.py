"""How soon the review desk answers, and in how much memory: a large scene, a large map, parallel viewers.

``python -m bench.review`` makes a project with a scene of 10,980 × 10,980 pixels of four bands, its labels
and prediction, and a map of 300,000 polygons; starts ``urbanseg review`` in it; and lets 8 viewers pan and
zoom over it, each asking for the next tile as soon as it has the last. Viewers go on in one direction, so
that what was made before helps only where they come across each other. The last line is JSON: milliseconds
of the answers by layer, the server's milliseconds of CPU for each (which other programs on the machine change
less), milliseconds of a view's areas under other thresholds (of 1,500 × 900 pixels), and the most memory that
the server ever had, in MB.
"""

import argparse
import http.client
import json
import math
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas as gpd
import numpy as np
import psutil
import shapely
from affine import Affine
from pyproj import CRS
from tqdm import tqdm

from urbanseg import paths
from urbanseg.classes import ClassTable
from urbanseg.config.params import load
from urbanseg.grid import Grid, strips
from urbanseg.io import cog
from urbanseg.mapping.vector_layers import write_layer

CITY = "demo"
LAYERS = ("scene", "prediction", "labels", "confidence", "errors", "live", "land_cover")
PATCH = 20
"""Side of a patch of one class, in pixels: about 300,000 of them are polygons."""


def main() -> None:
    """Make the project if it is not there, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--side", type=int, default=10_980, help="pixels")
    parser.add_argument("--viewers", type=int, default=8)
    parser.add_argument("--tiles", type=int, default=150, help="of each viewer")
    parser.add_argument("--folder", type=Path, help="to keep the project in; a temporary one otherwise")
    asked = parser.parse_args()
    with TemporaryDirectory() as temporary:
        root = asked.folder or Path(temporary)
        if not (root / paths.geopackage(CITY)).exists():
            make_project(root, asked.side)
        print(json.dumps(measure(root, asked.viewers, asked.tiles)))


def make_project(root: Path, side: int) -> None:
    """A project of one city with rasters of `side` pixels and a map."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy("params.yaml", root)
    table = load(root / "params.yaml").class_table
    grid = Grid(CRS.from_epsg(32632), Affine(10, 0, 400_000, 0, -10, 5_400_000), side, side)
    rng = np.random.default_rng(7)
    patches = rng.integers(0, len(table), (side // PATCH + 1, side // PATCH + 1)).astype(np.uint8)
    share: Any = {"dtype": "uint8", "nodata": 255, "resampling": "average"}
    folder = root / paths.prediction_dir(CITY)
    layers: dict[Path, cog.RasterProfile] = {
        root / paths.scene(CITY): {"dtype": "uint16", "count": 4, "nodata": 0, "resampling": "average"},
        root / paths.labels(CITY): share | {"classes": table, "resampling": "mode"},
        folder / "classes.tif": share | {"classes": table, "resampling": "mode"},
        folder / "confidence.tif": share,
        folder / "probabilities.tif": share | {"count": len(table)},
        root / paths.split(CITY): {"dtype": "uint8"},
    }
    for path in layers:
        path.parent.mkdir(parents=True, exist_ok=True)
    with cog.writing_all(grid, layers) as writers:
        for strip in tqdm(list(strips(grid.shape, 256)), desc="rasters", unit="strip"):
            for path, values in _made(strip, patches, len(table), rng).items():
                name = next(p for p in layers if path in {p.stem, p.name})
                writers[name].write(values, strip)
    write_map(root / paths.geopackage(CITY), grid, patches, table)


def _made(strip: Any, patches: Any, classes: int, rng: np.random.Generator) -> dict[str, Any]:
    """The rasters of a strip by name."""
    rows, cols = (np.arange(n) for n in (strip.height, strip.width))
    truth = patches[(rows[:, None] + strip.row) // PATCH, cols[None] // PATCH]
    flipped = rng.random(truth.shape) < 0.1
    predicted = np.where(flipped, (truth + 1) % classes, truth).astype(np.uint8)
    confidence = rng.integers(100, 254, truth.shape, dtype=np.uint8)
    rest = ((254 - confidence) // (classes - 1)).astype(np.uint8)
    probabilities = np.repeat(rest[None], classes, axis=0)
    np.put_along_axis(probabilities, predicted[None].astype(int), confidence[None], axis=0)
    noise = rng.integers(0, 300, (4, *truth.shape), dtype=np.uint16)
    scene = (truth[None] * np.uint16(300) + np.uint16(500)) + noise
    split = np.broadcast_to(np.uint8(0), truth.shape)
    return {
        "scene": scene,
        f"{CITY}.tif": truth,
        "classes": predicted,
        "confidence": confidence,
        "probabilities": probabilities,
        f"{CITY}_split": split,
    }


def write_map(path: Path, grid: Grid, patches: Any, table: ClassTable) -> None:
    """A polygon of eight corners for each patch."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, cols = (side.ravel() for side in np.indices(patches.shape))
    size, ids = PATCH * grid.resolution, patches.ravel()
    x, y = grid.transform @ (cols * PATCH, rows * PATCH)
    ring = np.array(
        [(0, 0.1), (0.1, 0), (0.9, 0), (1, 0.1), (1, 0.9), (0.9, 1), (0.1, 1), (0, 0.9), (0, 0.1)]
    )
    places = np.stack([x, y], axis=1)[:, None] + ring[None] * (size, -size)
    names = np.array(table.names, dtype=object)[ids]
    columns = {"class_id": ids.astype(int), "class_name": names, "area_m2": size**2, "confidence": 0.7}
    write_layer(
        gpd.GeoDataFrame(columns, geometry=shapely.polygons(places), crs=grid.crs), path, "land_cover"
    )


def measure(root: Path, viewers: int, tiles: int) -> dict[str, Any]:
    """What the answers took."""
    command = [sys.executable, "-m", "urbanseg.cli", "review", CITY, "--no-browser"]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    }
    with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True) as server:
        address = (server.stdout or sys.stdin).readline().strip()
        port, token = int(address.split(":")[2].split("/")[0]), address.partition("=")[2]
        try:
            viewer = Viewer(port, token, 0)
            scene = viewer.get(f"/api/scenes/{CITY}")
            for layer in LAYERS:  # the first tile opens the file and finds the stretch
                next(viewer.pan(scene, layer, 1))
            took: dict[str, list[float]] = {layer: [] for layer in LAYERS}
            threads = [
                threading.Thread(target=_watch, args=(Viewer(port, token, n), scene, tiles, took))
                for n in range(1, viewers + 1)
            ]
            began_s = _cpu_s(server.pid)
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            spent_s = _cpu_s(server.pid) - began_s
            viewer = Viewer(port, token, 0)  # the server has closed the connection of the first meanwhile
            areas = [_timed(lambda n=n: viewer.get(_view(scene, n)))[0] for n in range(20)]
            status = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
        finally:
            server.terminate()
    peak = next(int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmHWM"))
    whole = sorted(1000 * t for times in took.values() for t in times)
    return {
        "viewers": viewers, "answers": len(whole),
        "p50_ms": _share(whole, 0.5), "p95_ms": _share(whole, 0.95),
        "cpu_ms": round(1000 * spent_s / len(whole), 1),
        "by_layer_p95_ms": {n: _share(sorted(1000 * t for t in times), 0.95) for n, times in took.items()},
        "areas_p95_ms": _share(sorted(1000 * t for t in areas), 0.95), "peak_mb": round(peak),
    }  # fmt: skip


def _cpu_s(process: int) -> float:
    """Seconds of CPU that a process has had."""
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


def _share(ordered: list[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)], 1)


def _timed(ask: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    found = ask()
    return time.perf_counter() - began, found


def _view(scene: dict[str, Any], number: int) -> str:
    """The areas of a view of 1,500 × 900 pixels of the scene, under thresholds of its own."""
    west, south, east, north = scene["bounds"]
    wide, high = (east - west) * 1500 / scene["width"], (north - south) * 900 / scene["height"]
    w, s = west + (east - west) * number / 30, south + (north - south) * number / 30
    least = f"building:0.{number + 40}"
    return f"/api/scenes/{CITY}/areas?min={least}&bounds={w},{s},{w + wide},{s + high}"


def _watch(viewer: "Viewer", scene: dict[str, Any], tiles: int, took: dict[str, list[float]]) -> None:
    for layer in LAYERS:
        took[layer] += list(viewer.pan(scene, layer, tiles // len(LAYERS)))


class Viewer:
    """Asks for tiles, one after the other, on a connection of its own."""

    def __init__(self, port: int, token: str, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311, where somebody looks
        self.headers = {"Authorization": f"Bearer {token}"}
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def get(self, path: str) -> Any:
        """An answer; of tiles its length."""
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{path}: {answer.status} {body[:200]!r}")
        return json.loads(body) if answer.getheader("content-type") == "application/json" else len(body)

    def pan(self, scene: dict[str, Any], layer: str, tiles: int) -> Iterator[float]:
        """Seconds of each of so many tiles along a walk; every tenth step goes to another zoom elsewhere."""
        least = {each["name"]: each.get("minzoom") for each in scene["layers"]}.get(layer)
        first = scene["minzoom"] + 2 if least is None else least
        zoom, column, row = self._jump(scene, first)
        for number in range(tiles):
            kind, ending = ("vectors", "pbf") if layer == "land_cover" else ("tiles", "png")
            name, query = ("prediction", "?min=building:0.6,road:0.5") if layer == "live" else (layer, "")
            path = f"/api/scenes/{CITY}/{kind}/{name}/{zoom}/{column}/{row}.{ending}{query}"
            yield _timed(lambda path=path: self.get(path))[0]
            column, row = column + 1, row + self.random.choice((-1, 0, 1))
            if number % 10 == 9:
                zoom, column, row = self._jump(scene, first)

    def _jump(self, scene: dict[str, Any], first: int) -> tuple[int, int, int]:
        zoom = self.random.randint(first, max(first, scene["maxzoom"]))
        west, south, east, north = scene["bounds"]
        lon = west + (east - west) * self.random.uniform(0.1, 0.9)
        lat = math.radians(south + (north - south) * self.random.uniform(0.1, 0.9))
        x, y = (lon + 180) / 360, (1 - math.asinh(math.tan(lat)) / math.pi) / 2
        return zoom, int(x * 2**zoom), int(y * 2**zoom)


if __name__ == "__main__":
    main()
