"""The vector layers of a map, of a class raster that is read by window: polygons and roads."""

from collections.abc import Callable
from dataclasses import replace

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.grid import Grid, Window
from urbanseg.mapping.partition import Pixels
from urbanseg.mapping.polygons import CleanUp, land_cover
from urbanseg.mapping.roads import road_layers
from urbanseg.mapping.tidiness import Tidiness
from urbanseg.roads.holes import NARROW_M, without_holes
from urbanseg.roads.repair import repair_network
from urbanseg.roads.skeleton import centre_line_graph
from urbanseg.roads.surface import Surface, probability_of, with_weak_roads

ReadBand = Callable[[Window], NDArray[np.uint8]]
"""Pixels of a window of a band, ``(height, width)`` uint8."""
ReadMask = Callable[[Window], NDArray[np.bool_]]
"""A mask of a window, ``(height, width)`` bool."""


def vector_layers(
    classes: ReadBand,
    confidence: ReadBand,
    grid: Grid,
    table: ClassTable,
    tidy: Tidiness,
    most_regions: int | None = None,
    road_probability: ReadBand | None = None,
    *,
    counted: bool = False,
) -> dict[str, gpd.GeoDataFrame]:
    """The layers of a map; memory is bounded by what is in them, and not by the raster.

    Args:
        classes: class ids, `IGNORE` where unknown.
        confidence: 0–254 for 0–1, `IGNORE` where unknown.
        grid: of both; in a CRS in metres.
        table: the classes; those of the kind ``road`` make the roads, of which there are else none.
        tidy: what is merged, filled, smoothed, simplified and regularized.
        most_regions: that are held in memory before they are tidied; any number if None.
        road_probability: of all classes of roads together, 0–254 for 0–1, `IGNORE` where unknown; None to
            take what the confidence says of it.
        counted: whether the polygons tell how many pixels their confidence is of.

    Returns:
        ``land_cover``, of no row where no class is known, ``road_edges`` and ``road_nodes``, as
        `urbanseg.mapping.polygons.land_cover` and `urbanseg.mapping.roads.road_layers` make them.

    Raises:
        ValueError: if the grid is not in metres, or a pixel holds no class of the table.
        TooManyRegionsError: if there are more than `most_regions`.
    """

    def read(window: Window) -> Pixels:
        return classes(window), confidence(window)

    polygons = land_cover(read, grid, table, clean_up(tidy), most_regions=most_regions, counted=counted)
    edges, nodes = _roads(classes, confidence, grid, table, tidy, road_probability)
    return {"land_cover": polygons, "road_edges": edges, "road_nodes": nodes}


def _roads(
    classes: ReadBand,
    confidence: ReadBand,
    grid: Grid,
    table: ClassTable,
    tidy: Tidiness,
    road_probability: ReadBand | None,
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Edges and nodes of the roads; see `vector_layers`."""
    roads = [c.id for c in table.of_kind("road")]

    def is_road(window: Window) -> NDArray[np.bool_]:
        return np.isin(classes(window), roads)

    def is_known(window: Window) -> NDArray[np.bool_]:
        return np.asarray(classes(window) != IGNORE)

    limit = tidy.min_hole_m2
    limits = [limit.get(c.name, 0.0) for c in table.of_kind("road")] if isinstance(limit, dict) else [limit]
    hole_px = max(limits, default=0.0) / grid.resolution**2
    traced: ReadMask = is_road
    probability = probability_of(is_road, confidence) if road_probability is None else road_probability
    if road_probability is not None:
        traced = with_weak_roads(is_road, road_probability)
    narrow_px = NARROW_M / grid.resolution
    filled, widths = (
        without_holes(mask, is_known, grid.shape, hole_px, narrow_px) for mask in (traced, is_road)
    )
    skeleton = centre_line_graph(filled, grid.shape, grid.transform)
    surface = replace(Surface.of(is_road, probability, grid.shape, grid.transform), is_road=traced)
    return road_layers(repair_network(skeleton, surface, tidy.roads), widths, grid)


def clean_up(tidy: Tidiness) -> CleanUp:
    """What is done to the polygons."""
    return CleanUp(tidy.min_area_m2, tidy.min_hole_m2, tidy.simplify_m, tidy.smooth, tidy.square)
