"""Where land and sea meet: shallow water, tidal flats, beaches, foam and kelp."""

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from urbanseg.imagery.simulated.cells import SNAP_M, polygonal, voronoi

Shapes = NDArray[np.object_]

PIECE_M = 130.0
"""Length of a stretch of shore that is alike."""
WIDE_M2 = 150_000.0
"""Waters above this have a shore."""


def along(mapped: gpd.GeoDataFrame, rng: np.random.Generator) -> dict[str, Shapes]:
    """Strips along the shores of the sea and of large waters.

    Args:
        mapped: polygons with `class`, in metres.
        rng: draws how wide they are and where they lie.

    Returns:
        ``shoal``, ``tidal flat`` and ``surf`` on the water, ``sand`` on land: each ``(n,)`` polygons.
    """
    found: dict[str, list[BaseGeometry]] = {"shoal": [], "tidal flat": [], "surf": [], "sand": []}
    is_water = mapped["class"].isin(["sea", "water"]).to_numpy()
    waters = mapped.geometry.to_numpy()[is_water]
    waters = shapely.make_valid(waters[shapely.area(waters) > WIDE_M2])
    if not len(waters):
        return {name: np.array([], dtype=object) for name in found}
    water = shapely.union_all(waters, grid_size=SNAP_M)
    coast = shapely.boundary(water)
    widths = {"shoal": rng.uniform(0, 180), "tidal flat": rng.uniform(0, 70),
              "surf": rng.uniform(8, 35), "sand": rng.uniform(8, 45)}  # fmt: skip
    shares = {"shoal": rng.uniform(0, 0.9), "tidal flat": rng.uniform(0, 0.5) * rng.integers(0, 2),
              "surf": rng.uniform(0.1, 0.8), "sand": rng.uniform(0, 0.6)}  # fmt: skip
    for name, strips in found.items():
        strip = shapely.buffer(coast, max(2.0, widths[name]), quad_segs=3)
        cut = shapely.difference if name == "sand" else shapely.intersection
        band = polygonal(cut(strip, water, grid_size=SNAP_M))
        cells = voronoi(shapely.box(*band.bounds), PIECE_M, rng)
        cells = cells[shapely.intersects(cells, band) & (rng.random(len(cells)) < shares[name])]
        pieces = shapely.get_parts(shapely.intersection(cells, band, grid_size=SNAP_M))
        strips += [piece for piece in pieces if piece.geom_type == "Polygon"]
    return {name: np.array(strips, dtype=object) for name, strips in found.items()}
