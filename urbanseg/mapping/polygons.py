"""Land-cover polygons: a class raster as a table of polygons with class, area and confidence.

Regions are defined in `urbanseg.mapping.partition`, merged and filled in
`urbanseg.mapping.regions`, traced in `urbanseg.mapping.outlines`, smoothed and simplified in
`urbanseg.mapping.generalise`; buildings get right angles in `urbanseg.mapping.regularize` and
`urbanseg.mapping.coverage_insert`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from urbanseg.classes import CONFIDENCE_SCALE, IGNORE, ClassTable
from urbanseg.grid import Grid, Window
from urbanseg.mapping.coverage_insert import InsertRules, insert_shapes
from urbanseg.mapping.generalise import simplify, smooth
from urbanseg.mapping.outlines import trace
from urbanseg.mapping.partition import OUTSIDE, Partition, Pixels, Read, partition_raster
from urbanseg.mapping.regions import Limits, fill_holes, merge_slivers
from urbanseg.mapping.regularize import regularize
from urbanseg.mapping.small_polygons import Cover, keep_limits

ByClass = float | Mapping[str, float]
"""One value for all classes, or values by name; 0 for classes not named."""


@dataclass(frozen=True)
class CleanUp:
    """How pixels become shapes; by default they are kept as they are."""

    min_area: ByClass = 0.0  # m²; smaller regions are merged
    min_hole: ByClass = 0.0  # m², by the class around the hole; smaller ones are filled
    simplify: float = 0.0  # metres, see `urbanseg.mapping.generalise.simplify`
    smooth: Collection[str] = ()  # classes; outlines between two of them are rounded
    square: Collection[str] = ()  # classes; their outlines get right angles where they nearly have them

    @property
    def generalises(self) -> bool:
        """Whether outlines leave the sides of pixels."""
        return self.simplify > 0 or len(self.smooth) > 0 or len(self.square) > 0


NO_CLEAN_UP = CleanUp()


def polygonise(
    classes: NDArray[np.uint8],
    confidence: NDArray[np.uint8] | None,
    grid: Grid,
    class_table: ClassTable,
    clean_up: CleanUp = NO_CLEAN_UP,
) -> gpd.GeoDataFrame:
    """The land cover of rasters held in memory; see `land_cover`.

    Args:
        classes: ``(height, width)`` uint8 class ids, `IGNORE` where unknown.
        confidence: same shape, 0–254 for 0–1, 255 where unknown; or None.
        grid: where the pixels lie; its CRS must be in metres.
        class_table: names of the classes.
        clean_up: see `land_cover`.

    Returns:
        As `land_cover`.
    """

    def read(window: Window) -> Pixels:
        return classes[window.slices], None if confidence is None else confidence[window.slices]

    return land_cover(read, grid, class_table, clean_up)


def land_cover(
    read: Read,
    grid: Grid,
    class_table: ClassTable,
    clean_up: CleanUp = NO_CLEAN_UP,
    rows: int = 256,
    threads: int = 2,
    most_regions: int | None = None,
    *,
    counted: bool = False,
) -> gpd.GeoDataFrame:
    """One polygon for each 4-connected region of one class.

    The polygons are valid, don't overlap, and leave no gap where there is a class. Without
    clean-up they cover their pixels exactly: the area of a class is its number of pixels
    times the area of a pixel.

    Args:
        read: classes and confidences of a window; see `urbanseg.mapping.partition.partition_raster`.
        grid: where the pixels lie; its CRS must be in metres.
        class_table: names of the classes.
        clean_up: what is merged, filled, smoothed, simplified and regularized, in this order; what
            is below a limit afterwards is merged and filled again.
        rows: height of the strips that are read; the result is the same for any.
        threads: strips worked on at once.
        most_regions: that are held in memory before the clean-up; any number if None.
        counted: whether a column `pixels` (int64) tells of how many pixels the confidence is the mean.

    Returns:
        Columns `class_id` (int16), `class_name`, `area_m2`, `confidence` (mean over the
        pixels of the polygon, 0–1; NaN where none is known) and `geometry`, in the grid's
        CRS, ordered row by row of each polygon's first pixel.

    Raises:
        ValueError: if the grid is not in metres, or a pixel holds no class of the table.
        TooManyRegionsError: if there are more than `most_regions`.
    """
    partition = _clean_partition(read, grid, class_table, clean_up, rows, threads, most_regions)
    polygons, partition = _polygons(partition, grid, class_table, clean_up)
    ids, areas, confidence = _measure(partition, grid)
    known = {"pixels": partition.known[partition.ids < OUTSIDE]} if counted else {}
    return gpd.GeoDataFrame(
        {
            "class_id": ids,
            "class_name": np.array(class_table.names, dtype=object)[class_table.position_lut[ids]],
            "area_m2": shapely.area(polygons) if clean_up.generalises else areas,
            "confidence": confidence,
            **known,
        },
        geometry=polygons,
        crs=grid.crs,
    )


def pixel_cover(
    read: Read, grid: Grid, class_table: ClassTable, rows: int = 256, threads: int = 2
) -> pa.Table:
    """`land_cover` without clean-up as an Arrow table, `geometry` in well-known binary.

    No polygon objects are made, so this takes less time than writing the table.
    `pyogrio.write_arrow` and PostGIS take it as it is.

    Args:
        read: see `land_cover`.
        grid: where the pixels lie; its CRS must be in metres.
        class_table: names of the classes.
        rows: height of the strips that are read.
        threads: strips worked on at once.

    Returns:
        The columns of `land_cover`, null where no confidence is known.
    """
    partition = _clean_partition(read, grid, class_table, NO_CLEAN_UP, rows, threads)
    ids, areas, confidence = _measure(partition, grid)
    positions = class_table.position_lut[ids].astype(np.int16)
    names = pa.DictionaryArray.from_arrays(positions, pa.array(class_table.names))
    return pa.table(
        {
            "class_id": ids,
            "class_name": names.cast(pa.string()),
            "area_m2": areas,
            "confidence": pa.array(confidence, from_pandas=True),  # NaN is null, as geopandas writes it
            "geometry": trace(partition, partition.ids < OUTSIDE).wkb(grid.transform),
        }
    )


def area_by_class(polygons: gpd.GeoDataFrame, class_table: ClassTable) -> dict[str, float]:
    """Area of each class in m², in the order of the table."""
    positions = class_table.position_lut[polygons["class_id"].to_numpy()]
    areas = np.bincount(positions, polygons["area_m2"], len(class_table))
    return dict(zip(class_table.names, areas.tolist(), strict=True))


def _clean_partition(
    read: Read,
    grid: Grid,
    class_table: ClassTable,
    clean_up: CleanUp,
    rows: int,
    threads: int,
    most: int | None = None,
) -> Partition:
    """The partition of a raster, its slivers merged and its holes filled."""
    if not grid.is_metric:
        raise ValueError(f"areas in m² need a projected CRS in metres, not {grid.crs.name}")
    partition = partition_raster(read, grid.shape, rows, threads, most)
    strange = {*np.unique(partition.ids).tolist()} - {*class_table.ids, OUTSIDE, IGNORE}
    if strange:
        raise ValueError(f"the raster holds {sorted(strange)}, but the classes are {class_table.span}")
    pixel = abs(grid.transform.determinant)
    partition = merge_slivers(partition, _limits(clean_up.min_area, class_table) / pixel)
    return fill_holes(partition, _limits(clean_up.min_hole, class_table) / pixel)


def _measure(
    partition: Partition, grid: Grid
) -> tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.float64]]:
    """Class, area in m² and mean confidence of each region of known class, by its pixels."""
    mapped = partition.ids < OUTSIDE
    areas = partition.pixels[mapped] * np.float64(abs(grid.transform.determinant))
    return (
        partition.ids[mapped].astype(np.int16),
        areas,
        _means(partition.certainty[mapped], partition.known[mapped]),
    )


def _polygons(
    partition: Partition, grid: Grid, class_table: ClassTable, clean_up: CleanUp
) -> tuple[NDArray[np.object_], Partition]:
    """Polygons of the regions of known class, and the partition with the regions that they are of.

    Unknown regions are generalised with the others, so that the edge of the coverage is the
    raster's frame, which stays.
    """
    if not clean_up.generalises:
        return trace(partition, partition.ids < OUTSIDE).polygons(grid.transform), partition
    ids = partition.ids[1:]  # without the outside
    rings = trace(partition, partition.ids != OUTSIDE)
    if clean_up.smooth:
        soft = np.isin(partition.ids, [class_table.id_of(name) for name in clean_up.smooth])
        rings = smooth(rings, partition, soft)
    exact = rings.polygons(grid.transform)
    polygons = simplify(exact, clean_up.simplify) if clean_up.simplify else exact
    if clean_up.square:
        polygons = _regularize(polygons, exact, ids, grid, class_table, clean_up)
    min_area, min_hole = (_limits(each, class_table) for each in (clean_up.min_area, clean_up.min_hole))
    cover = keep_limits(Cover.of(polygons, ids), min_area, min_hole, exact)
    if len(cover.ids) < len(ids):
        moved = np.append(0, cover.moved + 1).astype(np.int32)
        partition = partition.merged(moved, np.append(np.uint8(OUTSIDE), cover.ids))
    return cover.polygons[cover.ids != IGNORE], partition


def _regularize(
    polygons: NDArray[np.object_],
    exact: NDArray[np.object_],
    ids: NDArray[np.uint8],
    grid: Grid,
    class_table: ClassTable,
    clean_up: CleanUp,
) -> NDArray[np.object_]:
    """The coverage with right angles, which are computed from the exact outlines."""
    chosen = np.isin(ids, [class_table.id_of(name) for name in clean_up.square])
    shapes = np.full(len(polygons), None, dtype=object)
    shapes[chosen] = regularize(exact[chosen], grid.resolution)
    height, width = grid.shape
    corners = [grid.transform @ corner for corner in ((0, 0), (width, 0), (width, height), (0, height))]
    least = _limits(clean_up.min_area, class_table)[ids]
    rules = InsertRules(
        same_kind=chosen, fixed=ids == IGNORE, min_area=least, tolerance=1e-5 * grid.resolution
    )
    return insert_shapes(polygons, shapes, rules, shapely.Polygon(corners))


def _limits(by_class: ByClass, class_table: ClassTable) -> Limits:
    """Values by pixel value; 0 where there is no class."""
    limits = np.zeros(256)
    for c in class_table:
        limits[c.id] = by_class.get(c.name, 0.0) if isinstance(by_class, Mapping) else by_class
    return limits


def _means(total: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean confidences, 0–1, from their sums and the numbers of pixels that have one."""
    means = np.full(len(total), np.nan)
    np.divide(total, known * CONFIDENCE_SCALE, out=means, where=known > 0)
    return means
