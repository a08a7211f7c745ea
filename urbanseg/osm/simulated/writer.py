"""Writing features as an OpenStreetMap file: nodes, ways, and multipolygon relations.

Points with equal coordinates are one node, so ways that meet share it. Polygons with
holes become multipolygon relations whose members carry no tags, as the wiki asks
(https://wiki.openstreetmap.org/wiki/Relation:multipolygon). The bytes depend on the
features alone: no timestamps, no user names.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import osmium
import pyproj
import shapely
from numpy.typing import NDArray
from osmium.osm.mutable import Node, Relation, Way
from shapely.geometry.base import BaseGeometry

from urbanseg.osm.files import writing

Feature = tuple[BaseGeometry, dict[str, str]]
Members = list[tuple[str, int, str]]


def write(path: Path, features: Sequence[Feature], crs: pyproj.CRS) -> None:
    """Write features to `path`, in OpenStreetMap's PBF format.

    Args:
        path: the file; one that exists is replaced.
        features: lines, polygons and multipolygons with tags, in `crs`.
        crs: of the features; the file holds WGS 84 degrees of 7 decimals.

    Raises:
        OSError: if the file cannot be written, with its name.
    """
    table = _Objects()
    for shape, tags in _in_degrees(features, crs):
        table.add(shape, tags)
    header = osmium.io.Header()
    header.set("generator", "urbanseg (simulated city)")
    header.add_box(table.extent())
    with writing(path, header) as writer:
        for number, (lon, lat) in enumerate(table.nodes, start=1):
            writer.add_node(Node(id=number, location=(lon / 1e7, lat / 1e7), version=1))
        for number, (refs, tags) in enumerate(table.ways, start=1):
            writer.add_way(Way(id=number, nodes=refs, tags=tags, version=1))
        for number, (members, tags) in enumerate(table.relations, start=1):
            writer.add_relation(Relation(id=number, members=members, tags=tags, version=1))


def _in_degrees(features: Sequence[Feature], crs: pyproj.CRS) -> Iterator[Feature]:
    """Features with coordinates in whole 1e-7 degrees, longitude first."""
    transformer = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)

    def degrees(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        lon, lat = transformer.transform(xy[:, 0], xy[:, 1])
        return np.rint(np.stack([lon, lat], axis=1) * 1e7)

    shapes = shapely.transform(np.array([shape for shape, _ in features], dtype=object), degrees)
    return zip(shapes, (tags for _, tags in features), strict=True)


class _Objects:
    """OpenStreetMap objects to write; the position in a list is the id minus one."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[int, int], int] = {}
        self.ways: list[tuple[list[int], dict[str, str]]] = []
        self.relations: list[tuple[Members, dict[str, str]]] = []

    def extent(self) -> osmium.osm.Box:
        """The box around all nodes."""
        degrees = np.array(list(self.nodes), dtype=float) / 1e7
        return osmium.osm.Box(*degrees.min(axis=0), *degrees.max(axis=0))

    def add(self, shape: BaseGeometry, tags: dict[str, str]) -> None:
        """Add a feature: a way where one is enough, else a multipolygon relation."""
        if shape.geom_type == "LineString":
            self._way(shape, tags)
        elif isinstance(shape, shapely.Polygon) and not shape.interiors:
            self._way(shape.exterior, tags)
        else:
            members: Members = []
            for polygon in shapely.get_parts(shape):
                members.append(("w", self._way(polygon.exterior, {}), "outer"))
                members += [("w", self._way(ring, {}), "inner") for ring in polygon.interiors]
            self.relations.append((members, {"type": "multipolygon", **tags}))

    def _way(self, line: BaseGeometry, tags: dict[str, str]) -> int:
        points = shapely.get_coordinates(line).astype(np.int64).tolist()
        refs = [self.nodes.setdefault((lon, lat), len(self.nodes) + 1) for lon, lat in points]
        self.ways.append((refs, tags))
        return len(self.ways)
