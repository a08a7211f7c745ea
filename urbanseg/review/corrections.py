"""What people correct: records of a city, stored one by one, and exchanged with QGIS.

`urbanseg.labels.corrections` says what the file is, and makes labels of it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import CRS

from urbanseg.labels.corrections import ADD, LAYER, REDO, UNDO, Entry, in_effect
from urbanseg.review import geopackage
from urbanseg.review.refusals import RefusedError

COLUMNS: Mapping[str, str] = {
    "id": "str", "action": "str", "of": "str", "class": "str", "class_before": "str", "tool": "str",
    "user": "str", "time": "str", "split": "str", "model": "str", "area_ha": "float64",
}  # fmt: skip
"""Of the table, and their types."""

TOOLS = ("brush", "polygon", "region", "reassign", "unknown", "import")

MOST_VERTICES = 20_000

TRIES = 5

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Record:
    """A record.

    Attributes:
        seq: its number; later records have higher ones.
        values: of `COLUMNS`.
        shape: in the scene's CRS; None of an undo or a redo.
    """

    seq: int
    values: Mapping[str, Any]
    shape: Any

    @property
    def entry(self) -> Entry:
        """What it says of being in effect."""
        return Entry(self.values["id"], self.values["action"], self.values["of"])


@dataclass(frozen=True)
class Stroke:
    """What is drawn, and what is known of the place.

    Attributes:
        id: made by who drew it, so that a stroke that is sent twice is one.
        shape: polygons in the scene's CRS.
        class_name: what is there, or ``ignore``.
        class_before: what the map says there, for the most part; None if it says nothing.
        tool: of `TOOLS`.
        split: of the blocks that it lies in.
        model: digest of the model that made the map; None without.
        area_ha: hectares.
    """

    id: str
    shape: Any
    class_name: str
    class_before: str | None
    tool: str
    split: str
    model: str | None
    area_ha: float


class Corrections:
    """The corrections of a city.

    Args:
        path: of the file, which the first record makes.
        crs: of the scene.
        user: whom records are by.
        style: QML of the file for QGIS.
    """

    def __init__(self, path: Path, crs: CRS, user: str, style: str) -> None:
        self.path, self.crs, self.user, self.style = path, crs, user, style

    def records(self, since: int = 0) -> list[Record]:
        """Records after a number, oldest first."""
        if not self.path.parent.is_dir():
            return []
        with geopackage.unmoved(self.path):
            if not self.path.exists():
                return []
            with geopackage.reading(self.path) as database:
                return _select(database, "WHERE fid > ? ORDER BY fid", (since,))

    def add(self, stroke: Stroke) -> tuple[Record, bool]:
        """Store a stroke; returns its record, and whether it is new."""
        values = {
            "class": stroke.class_name, "class_before": stroke.class_before, "tool": stroke.tool,
            "split": stroke.split, "model": stroke.model, "area_ha": round(stroke.area_ha, 4),
        }  # fmt: skip
        return self._store(stroke.id, ADD, None, values, stroke.shape)

    def reverse(self, name: str, of: str, action: str) -> tuple[Record, bool]:
        """Undo or redo a stroke.

        Args:
            name: id of the new record.
            of: id of the stroke.
            action: ``undo`` or ``redo``.

        Raises:
            RefusedError: if there is no such stroke, or it is undone, or in effect, already.
        """
        return self._store(name, action, of, {}, None)

    def _store(
        self, name: str, action: str, of: str | None, values: Mapping[str, Any], shape: Any
    ) -> tuple[Record, bool]:
        """Store a record in the file that has the name when it is stored.

        Other programs than ours may put another file in its place (``dvc add``, ``dvc checkout``). What was
        written into the one before is written again, which changes nothing where it is there.
        """
        for _ in range(TRIES):
            with geopackage.unmoved(self.path):
                before = self.path.stat().st_ino if self.path.exists() else None
                stored = self._store_once(name, action, of, values, shape)
                if before in {None, self.path.stat().st_ino}:
                    return stored
        raise RefusedError(503, "the file of corrections is replaced again and again; end what does so")

    def _store_once(
        self, name: str, action: str, of: str | None, values: Mapping[str, Any], shape: Any
    ) -> tuple[Record, bool]:
        if action == ADD:
            geopackage.create(self.path, LAYER, COLUMNS, self.crs, self.style)
        elif not self.path.exists():
            raise RefusedError(404, "there is no such correction")
        with geopackage.transaction(self.path) as database:
            if known := _select(database, "WHERE id = ?", (name,)):
                if known[0].values["action"] != action or known[0].values["of"] != of:
                    raise RefusedError(409, "another record has this id; make a new one")
                return known[0], False
            if action != ADD:
                values = _reversed(database, of, action)
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            told = {"id": name, "action": action, "of": of, "user": self.user, "time": now}
            record: dict[str, Any] = {**dict.fromkeys(COLUMNS), **values, **told}
            number = geopackage.insert(database, LAYER, record, shape)
        return Record(number, record, shape), True


def _reversed(database: Any, of: str | None, action: str) -> dict[str, Any]:
    """The class that a reversal concerns, once it is known to change anything."""
    found = _select(database, 'WHERE id = ?1 OR "of" = ?1 ORDER BY fid', (of,))
    if not found or found[0].values["action"] != ADD:
        raise RefusedError(404, "there is no such correction")
    is_shown = bool(in_effect([record.entry for record in found]))
    if is_shown == (action == REDO):
        raise RefusedError(409, f"it is {'in effect' if is_shown else 'undone'} already")
    return {key: found[0].values[key] for key in ("class", "class_before", "tool", "split")}


def _select(database: Any, rest: str, values: Sequence[Any]) -> list[Record]:
    rows = geopackage.select(database, LAYER, tuple(COLUMNS), rest, values)
    return [Record(row[0], dict(zip(COLUMNS, row[1:-1], strict=True)), row[-1]) for row in rows]


def shown(records: Sequence[Record]) -> list[Record]:
    """The strokes that are in effect, in the order in which they lie on each other."""
    return [records[number] for number in in_effect([record.entry for record in records])]


def shape_of(geometry: Any) -> Any:
    """Polygons of a geometry of GeoJSON, valid, in its coordinates.

    Raises:
        RefusedError: if it is none, or too large.
    """
    wrong = RefusedError(422, "geometry must be a Polygon or MultiPolygon in degrees")
    if not isinstance(geometry, dict) or geometry.get("type") not in {"Polygon", "MultiPolygon"}:
        raise wrong
    try:
        rings = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
        count = sum(len(ring) for polygon in rings for ring in polygon)
        if not 4 <= count <= MOST_VERTICES:
            raise RefusedError(422, f"geometry must have 4 to {MOST_VERTICES} vertices, it has {count}")
        parts = [shapely.Polygon(polygon[0], polygon[1:]) for polygon in rings]
    except (KeyError, IndexError, TypeError, ValueError, shapely.errors.GEOSException) as error:
        raise wrong from error
    shape = shapely.MultiPolygon(parts)
    places = shapely.get_coordinates(shape)
    if not np.isfinite(places).all() or (np.abs(places) > (180, 90)).any():
        raise wrong
    return polygons_of(shape)


def polygons_of(shape: Any) -> Any:
    """The areas of a geometry as a valid MultiPolygon.

    Raises:
        RefusedError: if it has none.
    """
    whole = shape if shape.is_valid else shapely.make_valid(shape, method="structure", keep_collapsed=False)
    parts = [p for p in shapely.get_parts([whole]) if p.geom_type == "Polygon" and p.area > 0]
    if not parts:
        raise RefusedError(422, "the geometry has no area; draw a larger one")
    return shapely.MultiPolygon(parts)


def require_id(name: Any) -> str:
    """The id of a record.

    Raises:
        RefusedError: if it is no UUID.
    """
    if not isinstance(name, str) or not UUID.fullmatch(name):
        raise RefusedError(422, "id must be a UUID in lower case")
    return name


__all__ = [
    "ADD",
    "REDO",
    "UNDO",
    "Corrections",
    "Record",
    "Stroke",
    "polygons_of",
    "require_id",
    "shape_of",
    "shown",
]
