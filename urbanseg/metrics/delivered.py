"""Scores of the vectors that are delivered: road edges and building polygons of the GeoPackage.

They are held against the vectors that the labels were made from, on the test pixels that are
labelled and predicted. Everything is read by the test block, so memory is bounded by a block and
by the reference. Roads are cut at the border of their block; a building belongs to the cell that a
point inside it lies in, and is scored if half of it or more lies on those pixels.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS
from rasterio.features import shapes
from shapely.geometry.base import BaseGeometry
from tqdm import tqdm

from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.io import vector_drivers  # noqa: F401, no other driver is left
from urbanseg.io.raster import Reader, reading
from urbanseg.metrics.accumulate import OBJECT_IOU
from urbanseg.metrics.block_workers import each_block
from urbanseg.metrics.counting import Files, Plan, lay_cells
from urbanseg.metrics.delivered_buildings import (
    BlockBuildings,
    Ids,
    Objects,
    Polygons,
    count_buildings,
    overlapping_pairs,
)
from urbanseg.metrics.delivered_reference import Reference, no_reference
from urbanseg.metrics.delivered_roads import Lines, score_roads
from urbanseg.metrics.road_counts import network_counts
from urbanseg.metrics.segmentation import counted

Floats = NDArray[np.float64]
Bounds = tuple[float, float, float, float]

LAYERS = {"roads": "road_edges", "buildings": "land_cover"}
"""Layers of the GeoPackage that are scored."""

HALF = 0.5
"""Least share of a building on pixels that count."""

STEP_PX = 0.25
"""Distance, in pixels, of the points of an outline that the Hausdorff distance looks at."""


@dataclass(frozen=True)
class Delivered:
    """What was counted of the delivered vectors.

    Attributes:
        roads: ``(blocks, 10)`` float64, of each test block in the order of `NETWORK_COUNTS`; None without
            centre lines.
        buildings: ``(cells, 7)`` float64, of each cell in the order of `BUILDING_COUNTS`; None without
            footprints.
        hausdorff_m: median over the matched footprints; NaN without any.
        basis: for roads and buildings, what they are held against, or why against nothing.
    """

    roads: Floats | None = None
    buildings: Floats | None = None
    hausdorff_m: float = float("nan")
    basis: dict[str, str] = field(default_factory=dict)


def score_delivered(
    files: Files,
    geopackage: Path,
    reference: Reference,
    blocks: Sequence[Window],
    plan: Plan,
    workers: int = 1,
) -> Delivered:
    """Score the vectors on the test blocks.

    Args:
        files: the rasters, on one grid, whose pixels say what counts.
        geopackage: the map, as the vectorize stage writes it.
        reference: what it is held against.
        blocks: the test blocks.
        plan: what is counted.
        workers: number of processes.

    Returns:
        Counts by block and by cell; the cells of each block follow those of the one before.

    Raises:
        PipelineError: if there is no map, or it is damaged or in another CRS than the rasters.
    """
    if reference.lines is None and reference.footprints is None:
        return Delivered(basis=reference.basis)
    if not geopackage.exists() and geopackage.parent.exists():
        why = f"{geopackage.parent} has no GeoPackage; add gpkg to vectorize.formats"
        return Delivered(basis=no_reference(why).basis)
    with reading(files.labels) as labels:
        _require_layers(geopackage, labels.grid, files.labels)
    prepare = partial(_open, files, geopackage, reference, plan)
    work = each_block(prepare, _score_block, blocks, workers)
    found = list(tqdm(work, "evaluate the vectors", len(blocks), unit="block"))
    roads = [roads for roads, _ in found if roads is not None]
    houses = [houses for _, houses in found if houses is not None]
    counts, hausdorff_m = count_buildings(houses) if houses else (None, float("nan"))
    return Delivered(np.array(roads) if roads else None, counts, hausdorff_m, reference.basis)


def _require_layers(geopackage: Path, grid: Grid, labels: Path) -> None:
    if not geopackage.exists():
        raise PipelineError(f"{geopackage} does not exist; run the vectorize stage that makes it")
    for layer in LAYERS.values():
        try:
            crs = pyogrio.read_info(geopackage, layer=layer)["crs"]
        except (DataLayerError, DataSourceError) as error:
            raise PipelineError(
                f"{geopackage} is no GeoPackage with the layer {layer}; run the vectorize stage again"
            ) from error
        if crs is None or CRS.from_user_input(crs) != grid.crs:
            raise PipelineError(
                f"{geopackage} and {labels} are in different coordinate reference systems; "
                "run the vectorize stage again"
            )


@dataclass(frozen=True)
class _Inputs:
    """What blocks are scored with."""

    rasters: tuple[Reader, Reader, Reader]
    geopackage: Path
    reference: Reference
    plan: Plan
    lines: shapely.STRtree
    footprints: shapely.STRtree
    places: Ids
    """Row and column of the pixel that each footprint belongs to, ``(n, 2)``."""

    @property
    def grid(self) -> Grid:
        return self.rasters[0].grid

    def read(self, layer: str, bounds: Bounds, where: str | None = None) -> tuple[Ids, Polygons]:
        """Features of a layer of the map.

        Args:
            layer: its name.
            bounds: a box that they meet.
            where: what holds for their attributes, in SQL.

        Returns:
            Their ids and geometries.
        """
        found = pyogrio.read_dataframe(
            self.geopackage, layer=layer, columns=[], bbox=bounds, where=where, fid_as_index=True
        )
        return found.index.to_numpy(np.int64), found.geometry.to_numpy()

    def area(self, window: Window) -> BaseGeometry:
        """The pixels of a window that count, as polygons."""
        inside = counted(*(raster.read_band(window) for raster in self.rasters))
        area = outline(inside, self.grid.window(window))
        extent = self.reference.extent
        return area if extent is None else shapely.intersection(area, extent)


def _open(files: Files, geopackage: Path, reference: Reference, plan: Plan, stack: ExitStack) -> _Inputs:
    rasters = [stack.enter_context(reading(path)) for path in (files.labels, files.prediction, files.split)]
    footprints = _none_for(reference.footprints)
    return _Inputs(
        rasters=(rasters[0], rasters[1], rasters[2]),
        geopackage=geopackage,
        reference=reference,
        plan=plan,
        lines=shapely.STRtree(_none_for(reference.lines)),
        footprints=shapely.STRtree(footprints),
        places=_places(footprints, rasters[0].grid),
    )


def _score_block(inputs: _Inputs, block: Window) -> tuple[list[float] | None, BlockBuildings | None]:
    reference = inputs.reference
    return (
        None if reference.lines is None else _score_roads(inputs, block, reference.lines),
        None if reference.footprints is None else _find_buildings(inputs, block, reference.footprints),
    )


def _score_roads(inputs: _Inputs, block: Window, lines: Lines) -> list[float]:
    bounds = inputs.grid.window(block).bounds
    near = lines[np.sort(inputs.lines.query(shapely.box(*bounds)))]
    _, edges = inputs.read(LAYERS["roads"], bounds)
    return network_counts(score_roads(near, edges, inputs.area(block), inputs.plan.road_rules))


def _find_buildings(inputs: _Inputs, block: Window, footprints: Polygons) -> BlockBuildings:
    """The buildings that belong to a block, and their partners, which may belong to others."""
    grid = inputs.grid
    own = np.flatnonzero(_are_inside(inputs.places, block))
    around = shapely.total_bounds([shapely.box(*grid.window(block).bounds), *footprints[own]])
    wanted = f"class_id IN ({', '.join(map(str, inputs.plan.building))})"
    ids, polygons = inputs.read(LAYERS["buildings"], tuple(around), wanted)
    places = _places(polygons, grid)
    ours = np.flatnonzero(_are_inside(places, block))
    theirs = np.union1d(own, inputs.footprints.query(polygons[ours], predicate="intersects")[1])
    step = STEP_PX * grid.resolution
    pairs = overlapping_pairs(footprints[theirs], polygons, OBJECT_IOU, step)
    pairs = pairs.assign(reference=theirs[pairs["reference"]], delivered=ids[pairs["delivered"]])

    cells, place = lay_cells(block, inputs.plan.cell_m, grid.pixel_m)
    corner = block.row, block.col
    area = inputs.area(_around(block, [*footprints[own], *polygons[ours]], grid))

    def scored(which: NDArray[np.intp], shapes: Polygons, at: Ids, names: Ids) -> Objects:
        kept = which[_share_inside(shapes[which], area) >= HALF]
        rows, cols = (at[kept] - corner).T
        return Objects(names[kept], place[rows, cols])

    return BlockBuildings(
        cells=len(cells),
        reference=scored(own, footprints, inputs.places, np.arange(len(footprints))),
        delivered=scored(ours, polygons, places, ids),
        pairs=pairs[pairs["reference"].isin(own) | pairs["delivered"].isin(ids[ours])],
    )


def outline(mask: NDArray[np.bool_], grid: Grid) -> BaseGeometry:
    """The True pixels of a mask as polygons in the CRS.

    Args:
        mask: ``(height, width)`` bool.
        grid: of the mask.

    Returns:
        A valid MultiPolygon, or a Polygon; empty without a True pixel.
    """
    found = shapes(mask.view(np.uint8), mask=mask, connectivity=4, transform=grid.transform)
    rings = (each["coordinates"] for each, _ in found)
    area = shapely.MultiPolygon([shapely.Polygon(shell, holes) for shell, *holes in rings])
    return area if area.is_valid else shapely.make_valid(area, method="structure", keep_collapsed=False)


def _none_for(geometries: Polygons | None) -> Polygons:
    return np.empty(0, dtype=object) if geometries is None else geometries


def _places(polygons: Polygons, grid: Grid) -> Ids:
    """Row and column of the pixel in which a point inside each polygon lies: ``(n, 2)``."""
    x, y = shapely.get_coordinates(shapely.point_on_surface(polygons)).T
    cols, rows = ~grid.transform @ (x, y)
    return np.floor([rows, cols]).T.astype(np.int64)


def _are_inside(places: Ids, window: Window) -> NDArray[np.bool_]:
    rows, cols = places.T - [[window.row], [window.col]]
    return np.asarray((rows >= 0) & (rows < window.height) & (cols >= 0) & (cols < window.width))


def _around(block: Window, polygons: Sequence[BaseGeometry], grid: Grid) -> Window:
    """The window of a block and of all that some polygons cover, within the grid."""
    left, bottom, right, top = shapely.total_bounds([shapely.box(*grid.window(block).bounds), *polygons])
    cols, rows = ~grid.transform @ (
        np.array([left, left, right, right]),
        np.array([bottom, top, bottom, top]),
    )
    first_row, first_col = max(0, int(np.floor(rows.min()))), max(0, int(np.floor(cols.min())))
    last_row, last_col = min(grid.height, int(np.ceil(rows.max()))), min(grid.width, int(np.ceil(cols.max())))
    return Window(first_row, first_col, last_row - first_row, last_col - first_col)


def _share_inside(polygons: Polygons, area: BaseGeometry) -> Floats:
    """Share of each polygon that lies in an area."""
    shapely.prepare(area)
    share = np.ones(len(polygons))
    partly = ~shapely.covers(area, polygons)
    cut = polygons[partly]
    share[partly] = shapely.area(shapely.intersection(cut, area)) / shapely.area(cut)
    return share
