"""Outlines of buildings, against buildingregulariser.

``sh bench/buildings_peer.sh FOLDER; python -m bench.buildings --peer FOLDER/bin/python``

The footprints of Atlanta (SpaceNet 4, 43 polygons drawn by hand) are rasterized with pixels of 0.5 m,
clean and with ragged edges: of the pixels on both sides of the edge, a quarter is flipped, ten
times with other seeds. Both tools get these pixels, ours with what ``auto`` chooses, the peer with its
own defaults and, since these suit other data, with tolerances of 1 m for its simplification and 1.5 m for
parallel walls. Each footprint is compared with the polygon of highest
IoU: C-IoU is IoU·(1 − |a − b| / (a + b)) with the numbers of vertices (Zorzi et al. 2022,
"PolyWorld"), the vertex ratio that of all vertices. The prices of walls were chosen on every other
footprint, so the scores of both halves are printed, too. The last line is one JSON object.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from scipy import ndimage

from urbanseg.classes import ClassTable, LandClass
from urbanseg.grid import Grid
from urbanseg.mapping.polygons import CleanUp, polygonise
from urbanseg.mapping.tidiness import tidy_for
from urbanseg.mapping.vector_map import clean_up

FOOTPRINTS = Path(__file__).parents[2] / "shared/data/atlanta/buildings.geojson"
PIXEL_M = 0.5
MARGIN_PX = 20
SEEDS = 10
FLIPPED = 0.25
"""Share of the pixels along the edges that are flipped."""
TABLE = ClassTable((LandClass(0, "other", "#000000"), LandClass(1, "building", "#c0392b")))
TUNED = {"simplify_tolerance": 1.0, "parallel_threshold": 1.5}
PEER = """
import json, sys
import geopandas
from buildingregulariser import regularize_geodataframe
if __name__ == "__main__":
    made = regularize_geodataframe(geopandas.read_file(sys.argv[1]), num_cores=1, **json.loads(sys.argv[3]))
    made[["geometry"]].to_file(sys.argv[2])
"""

Mask = NDArray[np.uint8]
Geometries = NDArray[np.object_]
Way = Callable[[Mask, Grid], Geometries]


def main() -> None:
    """Print a table of both tools on both rasters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, help="the Python interpreter that has buildingregulariser")
    asked = parser.parse_args()
    footprints = gpd.read_file(FOOTPRINTS)
    truth = footprints.geometry.to_numpy()
    mask, grid = burnt(truth, footprints.crs)
    rasters = {"clean": [mask], "ragged": [ragged(mask, seed) for seed in range(SEEDS)]}
    ways: dict[str, Way] = {"pixels": outlines, "ours": ours}
    if asked.peer:
        ways["peer"] = lambda mask, grid: peer(asked.peer, mask, grid, {})
        ways["peer_tuned"] = lambda mask, grid: peer(asked.peer, mask, grid, TUNED)
    figures: dict[str, float] = {}
    for name, way in ways.items():
        for kind, masks in rasters.items():
            made = [way(each, grid) for each in masks]
            for part, some in {"": truth, "_developed": truth[::2], "_other": truth[1::2]}.items():
                found = np.mean([scores(each, some) for each in made], axis=0)
                print(f"{name + part:20} {kind:7}", *(f"{value:.3f}" for value in found))
                keys = ("c_iou", "iou", "vertex_ratio")
                figures |= {
                    f"{name}{part}_{kind}_{k}": round(v, 3) for k, v in zip(keys, found.tolist(), strict=True)
                }
    print(json.dumps(figures))


def burnt(footprints: Geometries, crs: CRS) -> tuple[Mask, Grid]:
    """The footprints as pixels: ``(height, width)``, 1 inside."""
    left, bottom, right, top = shapely.total_bounds(footprints)
    transform = Affine(PIXEL_M, 0, left, 0, -PIXEL_M, top) @ Affine.translation(-MARGIN_PX, -MARGIN_PX)
    shape = (round((top - bottom) / PIXEL_M) + 2 * MARGIN_PX, round((right - left) / PIXEL_M) + 2 * MARGIN_PX)
    mask = rasterio.features.rasterize(
        [(each, 1) for each in footprints], out_shape=shape, transform=transform, dtype="uint8"
    )
    return mask, Grid(CRS.from_user_input(crs), transform, *shape)


def ragged(mask: Mask, seed: int) -> Mask:
    """The mask with pixels flipped along its edges."""
    edge = ndimage.binary_dilation(mask) & ~ndimage.binary_erosion(mask)
    flipped: Mask = (edge & (np.random.default_rng(seed).random(mask.shape) < FLIPPED)).astype(np.uint8)
    return mask ^ flipped


def outlines(mask: Mask, grid: Grid) -> Geometries:
    """Outlines along the sides of pixels, without what is too small: what both tools start from."""
    tidy = tidy_for(PIXEL_M, TABLE.kinds)
    return buildings(mask, grid, CleanUp(tidy.min_area_m2, tidy.min_hole_m2))


def ours(mask: Mask, grid: Grid) -> Geometries:
    """The buildings of the map that the vectorize stage makes by default."""
    return buildings(mask, grid, clean_up(tidy_for(PIXEL_M, TABLE.kinds)))


def buildings(mask: Mask, grid: Grid, cleaning: CleanUp) -> Geometries:
    """Polygons of the class building."""
    land = polygonise(mask, None, grid, TABLE, cleaning)
    if not shapely.coverage_is_valid(land.geometry.to_numpy()):
        raise RuntimeError("the map has an overlap or a gap")
    return np.asarray(land.geometry[land["class_name"] == "building"], dtype=object)


def peer(python: Path, mask: Mask, grid: Grid, options: dict[str, float]) -> Geometries:
    """What buildingregulariser makes of the outlines, in its own process."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.gpkg"), Path(folder, "out.gpkg")
        gpd.GeoDataFrame(geometry=outlines(mask, grid), crs=grid.crs).to_file(source)
        command = [str(python), "-c", PEER, str(source), str(target), json.dumps(options)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return np.asarray(gpd.read_file(target).geometry, dtype=object)


def scores(made: Geometries, truth: Geometries) -> tuple[float, float, float]:
    """C-IoU and IoU, means over the footprints, and vertices for each vertex of theirs."""
    parts = shapely.get_parts(made)
    mine, theirs = shapely.STRtree(parts).query(truth, predicate="intersects")
    overlap = shapely.area(shapely.intersection(truth[mine], parts[theirs]))
    iou = overlap / (shapely.area(truth[mine]) + shapely.area(parts[theirs]) - overlap)
    order = np.lexsort((-iou, mine))
    best = order[np.diff(mine[order], prepend=-1) > 0]
    a, b = vertices(truth[mine[best]]), vertices(parts[theirs[best]])
    agreement = 1 - np.abs(a - b) / (a + b)
    count = len(truth)
    return (
        float((iou[best] * agreement).sum() / count),
        float(iou[best].sum() / count),
        float(b.sum() / vertices(truth).sum()),
    )


def vertices(polygons: Geometries) -> NDArray[np.int64]:
    """Vertices of each polygon, the first of a ring not repeated."""
    return np.asarray(shapely.get_num_coordinates(polygons) - shapely.get_num_interior_rings(polygons) - 1)


if __name__ == "__main__":
    main()
