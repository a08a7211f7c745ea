"""A map as a STAC Item (https://github.com/radiantearth/stac-spec), version 1.1: place, classes, files.

The dictionary is made here, without pystac, so that the core of the library writes it, too. Equal maps
give equal Items: there is no time of making.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import shapely
from pyproj import CRS, Transformer

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.grid import Grid
from urbanseg.io.files import sha256

EXTENSIONS = {
    "classification": "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
    "eo": "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "file": "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "processing": "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
}
"""Schema by the prefix of the fields that it defines; an Item declares those that it uses, and no other."""

COG = "image/tiff; application=geotiff; profile=cloud-optimized"
MEDIA_TYPES = {
    ".tif": COG,
    ".gpkg": "application/geopackage+sqlite3",
    ".parquet": "application/vnd.apache.parquet",
    ".geojson": "application/geo+json",
    ".fgb": "application/vnd.flatgeobuf",
    ".pmtiles": "application/vnd.pmtiles",
    ".zip": "application/zip",
    ".csv": "text/csv",
    ".html": "text/html",
    ".png": "image/png",
}
"""By the ending of the file; others are no assets."""
ROLES = {".html": "overview", ".png": "thumbnail"}
"""Of assets that are not data."""
SHA2_256 = "1220"
"""How a SHA-256 begins as a multihash: its code and its length."""
ALL_TIME = ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
"""STAC allows a missing date only with a range; for an image without a known date, it is all time."""


def map_item(
    name: str,
    grid: Grid,
    crs: CRS | None,
    table: ClassTable,
    properties: Mapping[str, Any],
    files: Sequence[Path],
    links: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The Item of a map, as a dictionary ready for JSON.

    Args:
        name: id of the Item.
        grid: of the rasters.
        crs: theirs, None where the map is nowhere on Earth.
        table: the classes.
        properties: further ones; ``datetime`` and ``license`` among them, if they are known.
        files: of the map, which lie beside the Item.
        links: to other documents, such as the terms of use.
    """
    known: dict[str, Any] = {"datetime": None, "license": "other", **properties}
    if known["datetime"] is None:
        known = {"start_datetime": ALL_TIME[0], "end_datetime": ALL_TIME[1], **known}
    place = {} if crs is None else _projection(grid, crs)
    footprint = None if crs is None else _footprint(grid, crs)
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "geometry": None if footprint is None else shapely.geometry.mapping(footprint),
        "properties": dict(sorted((known | place).items())),
        "links": [dict(link) for link in links],
        "assets": {path.name: _asset(path, table) for path in files if path.suffix in MEDIA_TYPES},
    }
    if footprint is not None:
        item["bbox"] = list(footprint.bounds)
    keys = [*item["properties"], *(key for asset in item["assets"].values() for key in asset)]
    used = {key.partition(":")[0] for key in keys if ":" in key} & EXTENSIONS.keys()
    return item | {"stac_extensions": [EXTENSIONS[prefix] for prefix in sorted(used)]}


def _projection(grid: Grid, crs: CRS) -> dict[str, Any]:
    """Properties of the extension for projections."""
    code = crs.to_authority()
    place = {"proj:shape": list(grid.shape), "proj:transform": list(grid.transform[:6])}
    if code is None:
        return {"proj:code": None, "proj:wkt2": crs.to_wkt(), **place}
    return {"proj:code": ":".join(code), **place}


def _footprint(grid: Grid, crs: CRS) -> shapely.Polygon:
    """The corners in degrees, to 1e-7 degrees, counter-clockwise of a north-up grid."""
    to_degrees = Transformer.from_crs(crs, 4326, always_xy=True)
    corners = [(0, grid.height), (grid.width, grid.height), (grid.width, 0), (0, 0)]
    placed = [to_degrees.transform(*(grid.transform @ corner)) for corner in corners]
    return shapely.Polygon([[round(float(degrees), 7) for degrees in place] for place in placed])


def _asset(path: Path, table: ClassTable) -> dict[str, Any]:
    """A file as an asset, with its size and digest."""
    asset: dict[str, Any] = {
        "href": f"./{path.name}",
        "type": MEDIA_TYPES[path.suffix],
        "roles": [ROLES.get(path.suffix, "data")],
        "file:size": path.stat().st_size,
        "file:checksum": SHA2_256 + sha256(path),
    }
    if path.name == "classes.tif":
        asset["classification:classes"] = [
            *(
                {
                    "value": each.id,
                    "name": each.name,
                    "title": each.label,
                    "description": each.label,
                    "color_hint": each.color.removeprefix("#").upper(),
                }
                for each in table
            ),
            {"value": IGNORE, "name": "unknown", "description": "no known class", "nodata": True},
        ]
    return asset
