"""Scores of the delivered road edges against centre lines, which are vectors on both sides.

Within an area, such as the labelled pixels of a test block, both networks are cut at its border
and compared as `roads.compare` compares any two. The centre lines are those that labels are drawn
from; a road that is mapped as an area, such as a square, has none.
"""

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import KDTree
from shapely.geometry.base import BaseGeometry

from urbanseg.config.evaluate import RoadScoreParams
from urbanseg.metrics.roads import RoadScores, compare
from urbanseg.roads.skeleton import line_graph

Lines = NDArray[np.object_]

JOIN_M = 0.1
"""Vertices of centre lines that are closer are one: coordinates of a file are rounded, and a bridge whose
ends are rounded otherwise than the road's would part it."""


def centre_lines(features: gpd.GeoDataFrame, names: Sequence[str], crs: CRS) -> Lines:
    """The lines of some classes.

    Args:
        features: `class` and `geometry`, of any kind and in any CRS.
        names: of the classes.
        crs: a CRS in metres.

    Returns:
        ``(n,)`` LineStrings in `crs`, which meet where they are closer than `JOIN_M`; what cannot be
        projected to it is left out.
    """
    shapes = features.geometry[features["class"].isin(names)]
    lines = shapes[shapely.get_dimensions(shapes.to_numpy()) == 1].to_crs(crs)
    parts = shapely.get_parts(shapely.force_2d(lines.to_numpy()))
    return join_vertices(parts[np.isfinite(shapely.bounds(parts)).all(axis=1)], JOIN_M)


def join_vertices(lines: Lines, within: float) -> Lines:
    """The lines with vertices that are close together moved to the first of them, by x, then y.

    Args:
        lines: ``(n,)`` LineStrings.
        within: how close, in their unit; chains of close vertices become one.

    Returns:
        ``(m,)`` LineStrings, without those of no length.
    """
    if not len(lines):
        return lines
    places, vertex = np.unique(shapely.get_coordinates(lines), axis=0, return_inverse=True)
    one, other = KDTree(places).query_pairs(within, output_type="ndarray").T
    links = sparse.coo_array((np.ones(len(one), np.int8), (one, other)), shape=2 * places.shape[:1])
    _, group = csgraph.connected_components(links, directed=False)
    _, first = np.unique(group, return_index=True)
    joined = np.asarray(shapely.set_coordinates(lines.copy(), places[first[group]][vertex]))
    return joined[shapely.length(joined) > 0]


def clip(lines: Lines, area: BaseGeometry) -> Lines:
    """The parts of some lines inside an area, each line for itself: none is cut where it crosses another.

    Args:
        lines: ``(n,)`` LineStrings.
        area: a polygon or several.

    Returns:
        ``(m,)`` LineStrings; their vertices are those of the lines, and where those meet the border.
    """
    near = lines[shapely.intersects(area, lines)]
    parts = shapely.get_parts(shapely.intersection(near, area))
    return np.asarray(parts[(shapely.get_type_id(parts) == 1) & (shapely.length(parts) > 0)])


def score_roads(reference: Lines, delivered: Lines, area: BaseGeometry, rules: RoadScoreParams) -> RoadScores:
    """Compare the delivered edges with the centre lines inside an area.

    Args:
        reference: ``(n,)`` LineStrings in metres, joined where they share a vertex.
        delivered: same.
        area: where both are known.
        rules: of the comparison.

    Returns:
        Counts and lengths; they add up over areas.
    """
    shapely.prepare(area)
    streets, edges = (line_graph(list(clip(lines, area))) for lines in (reference, delivered))
    return compare(streets, edges, rules)
