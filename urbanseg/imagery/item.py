"""Provenance of a scene as a STAC Item (https://github.com/radiantearth/stac-spec), version 1.1.

The same scene gives the same bytes: the Item has no creation time and no absolute paths.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pystac
import shapely
from pyproj import Transformer

from urbanseg.config.addresses import address
from urbanseg.grid import Grid
from urbanseg.io.files import sha256
from urbanseg.redact import redact_values

EO = "https://stac-extensions.github.io/eo/v1.1.0/schema.json"
PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
PROCESSING = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
COG = "image/tiff; application=geotiff; profile=cloud-optimized"


TITLES = {
    "scene.tif": "Bands",
    "scl.tif": "Scene classification",
}


def describe(
    name: str,
    grid: Grid,
    bands: Sequence[str],
    moment: str | tuple[str, str] | None,
    properties: Mapping[str, Any],
    files: Sequence[Path],
) -> dict[str, Any]:
    """The Item of a scene, as a dictionary ready for JSON.

    Args:
        name: id of the Item.
        grid: of the scene.
        bands: names of the scene's bands, in order.
        moment: acquisition time, ISO 8601 with an offset; the first and the last one of a
            composite; None if unknown.
        properties: further ones, sorted into the Item by key; their text is redacted.
        files: the assets, which lie beside the Item.

    Returns:
        The Item.
    """
    code = grid.crs.to_authority()
    known: dict[str, Any] = {
        "gsd": grid.resolution,
        "proj:code": ":".join(code) if code else None,
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform[:6]),
        **redact_values(dict(properties)),
    }
    # STAC allows a missing date only with a range; for a scene without a known date, it is all time.
    span = ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z") if moment is None else moment
    if not isinstance(span, str):
        known |= {"start_datetime": span[0], "end_datetime": span[1]}
    footprint = _footprint(grid)
    item = pystac.Item(
        id=name,
        geometry=shapely.geometry.mapping(footprint),
        bbox=list(footprint.bounds),
        datetime=datetime.fromisoformat(span) if isinstance(span, str) else None,
        properties=dict(sorted(known.items())),
        stac_extensions=[EO, PROCESSING, PROJECTION],
    )
    for file in files:
        extra = {"bands": [{"name": band} for band in bands]} if file.name == "scene.tif" else {}
        title = TITLES.get(file.name, file.name)
        item.add_asset(file.name, pystac.Asset(f"./{file.name}", title, None, COG, ["data"], extra))
    return item.to_dict(include_self_link=False)


def source(path: Path) -> dict[str, str]:
    """Properties of a scene's source: a file's name and the SHA-256 of its bytes, or the address."""
    if url := address(path):
        return {"source:href": url}
    return {"source:file": path.name, "source:sha256": sha256(path)}


def _footprint(grid: Grid) -> shapely.Polygon:
    """The scene's corners in degrees, to 1e-6 degrees."""
    to_degrees = Transformer.from_crs(grid.crs, 4326, always_xy=True)
    left, bottom, right, top = grid.bounds
    corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
    return shapely.Polygon([[round(v, 6) for v in to_degrees.transform(*corner)] for corner in corners])
