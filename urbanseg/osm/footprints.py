"""Footprints of features: areas as they are mapped, lines buffered by their width.

Also the area of interest of a scene, in which features are read.
"""

import json
import logging
from collections import Counter

import geopandas as gpd
import numpy as np
import shapely
from pyproj import CRS, Transformer

from urbanseg.config.labels import LabelParams
from urbanseg.grid import Grid, is_metric_at
from urbanseg.osm.extents import TURN
from urbanseg.osm.features import Bounds
from urbanseg.osm.widths import line_width, parse_width

log = logging.getLogger(__name__)

ARC_SEGMENTS = 4
"""Segments of a quarter circle in buffers: 2 % of the radius off at most."""
MARGIN_M = 200.0
"""Lines this far outside a scene may reach into it; half as wide as all but a few rivers."""
EQUATOR_DEGREE_M = 111_320.0


def polygons(features: gpd.GeoDataFrame, crs: CRS, params: LabelParams) -> gpd.GeoDataFrame:
    """Footprint of each feature: areas as they are, lines buffered by their width.

    A line is as wide as its `width` tag says, else its lanes, else as typical for its
    kind. Ends are round: streets are cut into many ways, and flat ends would leave
    notches where two of them meet at an angle.

    Args:
        features: rows of `class`, `tags` (JSON) and `geometry`, in any CRS.
        crs: CRS of the result. Widths are metres on the ground: where the CRS's own
            metres are not (degrees, Web Mercator), lines are buffered in UTM.
        params: widths.

    Returns:
        `class` (str) and `geometry` in `crs`, in the order of `features`; what cannot be
        projected to `crs` is left out.
    """
    if features.empty:
        return gpd.GeoDataFrame({"class": []}, geometry=[], crs=crs)
    projected = features[["class", "geometry"]].to_crs(_buffer_crs(features, crs))
    is_line = shapely.get_dimensions(projected.geometry.to_numpy()) == 1
    tags = [json.loads(text) for text in features.loc[is_line, "tags"]]
    widths = [
        line_width(each, params.line_width_m, params.default_line_width_m, params.lane_width_m)
        for each in tags
    ]
    unread = Counter(text for each in tags if (text := each.get("width")) and parse_width(text) is None)
    if unread:
        some = ", ".join(f"{text!r}" for text, _ in unread.most_common(5))
        log.warning(
            "%d of %d lines have a width that says none (%s); they get that of their lanes or kind",
            unread.total(), len(tags), some,
        )  # fmt: skip
    lines = projected.geometry.to_numpy()[is_line]
    shapes = np.array(projected.geometry.to_numpy(), dtype=object)
    shapes[is_line] = shapely.buffer(lines, np.array(widths) / 2, quad_segs=ARC_SEGMENTS)
    covered = projected.set_geometry(gpd.GeoSeries(shapes, projected.index, crs=projected.crs)).to_crs(crs)
    is_finite = np.isfinite(covered.bounds.to_numpy()).all(axis=1)
    return covered[is_finite].reset_index(drop=True)


def _buffer_crs(features: gpd.GeoDataFrame, crs: CRS) -> CRS:
    """`crs` if its units are metres on the ground within 1 % at the features, else UTM."""
    west, south, east, north = features.to_crs(4326).total_bounds
    to_crs = Transformer.from_crs(4326, crs, always_xy=True)
    if is_metric_at(crs, *to_crs.transform((west + east) / 2, (south + north) / 2)):
        return crs
    utm: CRS = features.estimate_utm_crs()
    return utm


def area_of_interest(grid: Grid) -> Bounds:
    """West, south, east, north in degrees of a scene with `MARGIN_M` around it.

    East is above 180 if the scene crosses the antimeridian.
    """
    to_degrees = Transformer.from_crs(grid.crs, 4326, always_xy=True)
    west, south, east, north = to_degrees.transform_bounds(*grid.bounds)
    east += TURN if east < west else 0.0  # across the antimeridian
    tall = MARGIN_M / EQUATOR_DEGREE_M
    wide = tall / np.cos(np.radians(max(abs(south), abs(north))))
    return float(west - wide), float(south - tall), float(east + wide), float(north + tall)
