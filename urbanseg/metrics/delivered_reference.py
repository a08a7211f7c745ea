"""What the delivered vectors are held against: the vectors that the labels were made from."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from urbanseg.classes import ClassTable, Kind
from urbanseg.metrics.delivered_buildings import footprints
from urbanseg.metrics.delivered_roads import centre_lines

PARTS: dict[str, tuple[Kind, str]] = {"roads": ("road", "lines"), "buildings": ("building", "polygons")}
"""Kind of class and of geometry of the two parts that are scored."""


@dataclass(frozen=True)
class Reference:
    """Vectors in the scene's CRS, in metres.

    Attributes:
        lines: ``(n,)`` centre lines of roads; None if there are none.
        footprints: ``(n,)`` polygons of buildings; None if there are none.
        extent: where the source knows of everything; None if it does not say.
        basis: for roads and buildings, what they are held against, or why against nothing.
    """

    lines: NDArray[np.object_] | None = None
    footprints: NDArray[np.object_] | None = None
    extent: BaseGeometry | None = None
    basis: dict[str, str] = field(default_factory=dict)


def no_reference(why: str) -> Reference:
    """Nothing to hold the map against."""
    return Reference(basis=dict.fromkeys(PARTS, f"none: {why}"))


def reference_from(features: gpd.GeoDataFrame, crs: CRS, source: str, classes: ClassTable) -> Reference:
    """The centre lines and footprints among some features.

    Args:
        features: `class` and `geometry` in any CRS; `attrs` may hold the `extent` of their source, as
            `urbanseg.osm` has it.
        crs: the scene's, in metres.
        source: what the features were read from, for the user.
        classes: their table.

    Returns:
        The reference, which may lack one of the two or both.
    """
    names = {part: [c.name for c in classes.of_kind(kind)] for part, (kind, _) in PARTS.items()}
    found = {
        "roads": centre_lines(features, names["roads"], crs),
        "buildings": footprints(features, names["buildings"], crs),
    }
    boxes = features.attrs.get("extent")
    return Reference(
        lines=found["roads"] if len(found["roads"]) else None,
        footprints=found["buildings"] if len(found["buildings"]) else None,
        extent=None if boxes is None else extent(boxes, crs),
        basis={
            part: f"{len(found[part])} {kind} of {source}"
            if len(found[part])
            else _why_not(source, kind, names[part], PARTS[part][0])
            for part, (_, kind) in PARTS.items()
        },
    )


def _why_not(source: str, kind: str, names: Sequence[str], needed: Kind) -> str:
    if not names:
        return f"none: no class is of the kind {needed}"
    return f"none: {source} has no {kind} of the class {' or '.join(names)}"


def extent(boxes: Sequence[float] | Sequence[Sequence[float]], crs: CRS) -> BaseGeometry:
    """Boxes of west, south, east, north in degrees, or one of them, in another CRS."""
    shapes = [shapely.segmentize(shapely.box(*box), 0.01) for box in np.reshape(boxes, (-1, 4)).tolist()]
    area: BaseGeometry = gpd.GeoSeries(shapes, crs=4326).to_crs(crs).union_all()
    return area
