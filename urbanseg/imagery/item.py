"""Provenance of a scene as a STAC Item (https://github.com/radiantearth/stac-spec), version 1.1.

The same scene gives the same bytes: the Item has no creation time and no absolute paths.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pystac
import shapely
from pyproj import Transformer

from urbanseg.classes import CONFIDENCE_SCALE, IGNORE, ClassTable
from urbanseg.config.addresses import address
from urbanseg.display.raster_styles import SCL
from urbanseg.grid import Grid
from urbanseg.io.files import sha256
from urbanseg.redact import redact_values

EXTENSIONS = {
    "classification": "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
    "eo": "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "processing": "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "view": "https://stac-extensions.github.io/view/v1.0.0/schema.json",
}
"""Schema by the prefix of the fields that it defines; an Item declares those that it uses."""

COG = "image/tiff; application=geotiff; profile=cloud-optimized"

TITLES = {
    "scene.tif": "Bands",
    "scl.tif": "Scene classification",
    "classes.tif": "Land cover",
    "confidence.tif": "Confidence, 0–254 for 0–1",
    "set.tif": "Prediction sets: number of classes, and which they are",
}

COMMON_NAMES = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge071", "B06": "rededge075",
    "B07": "rededge078", "B08": "nir", "B8A": "nir08", "B09": "nir09", "B10": "cirrus", "B11": "swir16",
    "B12": "swir22",
}  # fmt: skip
"""The eo extension's names of Sentinel-2's bands; bands that are called by such a name keep it."""

SENTINEL = "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"


@dataclass(frozen=True)
class Rights:
    """On what terms data may be used.

    Attributes:
        license: SPDX identifier; ``other`` where there is none, or it is not known.
        attribution: who is to be credited, in the words of the provider.
        link: address of the terms.
    """

    license: str = "other"
    attribution: str | None = None
    link: str | None = None


COPERNICUS = Rights("other", "Contains modified Copernicus Sentinel data", SENTINEL)
OPENSTREETMAP = Rights("ODbL-1.0", "© OpenStreetMap contributors", "https://www.openstreetmap.org/copyright")
INVENTED = Rights("CC0-1.0", "Simulated")
UNKNOWN = Rights()


def describe(
    name: str,
    grid: Grid,
    bands: Sequence[str],
    moment: str | tuple[str, str] | None,
    properties: Mapping[str, Any],
    files: Sequence[Path],
    rights: Rights = UNKNOWN,
) -> dict[str, Any]:
    """The Item of a scene, as a dictionary ready for JSON.

    Args:
        name: id of the Item.
        grid: of the scene.
        bands: names of the scene's bands, in order.
        moment: acquisition time, ISO 8601 with an offset; the first and the last one of a
            composite; None if unknown.
        properties: further ones, sorted into the Item by key; their text is redacted.
        files: the assets, which lie beside the Item, and a thumbnail with them.
        rights: on what terms the scene may be used.

    Returns:
        The Item.
    """
    code = grid.crs.to_authority()
    known: dict[str, Any] = {
        "gsd": grid.resolution,
        "proj:code": ":".join(code) if code else None,
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform[:6]),
        "license": rights.license,
        **({"attribution": rights.attribution} if rights.attribution else {}),
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
    )
    for file in files:
        extra: dict[str, Any] = {"bands": [_band(band) for band in bands]} if file.name == "scene.tif" else {}
        if file.name == "scl.tif":
            extra = {"classification:classes": _classes(SCL_ENTRIES)}
        _add(item, file.name, extra)
    item.add_asset("thumbnail", THUMBNAIL)
    if rights.link:
        item.add_link(pystac.Link("license", rights.link, "text/html", "Terms of use"))
    return _declared(item.to_dict(include_self_link=False))


def describe_map(scene: Mapping[str, Any], classes: ClassTable, files: Sequence[Path]) -> dict[str, Any]:
    """The Item of the land cover that was predicted from a scene.

    Args:
        scene: the scene's Item, which lies in ``../../scene/<id>/``.
        classes: of the prediction.
        files: its rasters, which lie beside the Item, and a thumbnail with them.

    Returns:
        The Item.
    """
    said = scene["properties"]
    kept = ("gsd", "proj:", "license", "attribution", "simulated", "start_datetime", "end_datetime")
    properties = {key: value for key, value in said.items() if key.startswith(kept)}
    properties |= {
        "title": f"Land cover of {scene['id']}",
        "processing:lineage": "Semantic segmentation of the scene by urbanseg",
    }
    moment = said["datetime"]
    item = pystac.Item(
        id=f"{scene['id']}-land-cover",
        geometry=scene["geometry"],
        bbox=scene["bbox"],
        datetime=datetime.fromisoformat(moment) if moment else None,
        properties=dict(sorted(properties.items())),
    )
    entries = [(each.id, each.color, each.label, each.name) for each in classes]
    shares = {"data_type": "uint8", "nodata": IGNORE, "raster:scale": 1 / CONFIDENCE_SCALE}
    for file in files:
        labelled = {"data_type": "uint8", "nodata": IGNORE, "classification:classes": _classes(entries)}
        sets = {"data_type": "uint8", "nodata": IGNORE}
        _add(item, file.name, {"classes.tif": labelled, "set.tif": sets}.get(file.name, shares))
    item.add_asset("thumbnail", THUMBNAIL)
    source = f"../../scene/{scene['id']}/item.json"
    item.add_link(pystac.Link("derived_from", source, "application/geo+json", "The scene"))
    for link in scene["links"]:
        if link["rel"] == "license":
            item.add_link(pystac.Link.from_dict(link))
    return _declared(item.to_dict(include_self_link=False))


THUMBNAIL = pystac.Asset("./thumbnail.png", "Thumbnail", None, "image/png", ["thumbnail"])

SCL_ENTRIES = [
    (value, color, label, label.replace(" ", "_").replace(",", "")) for value, (color, label) in SCL.items()
]


def _add(item: pystac.Item, name: str, extra: dict[str, Any]) -> None:
    item.add_asset(name, pystac.Asset(f"./{name}", TITLES.get(name, name), None, COG, ["data"], extra))


def _band(name: str) -> dict[str, str]:
    """A band with its common name, if the eo extension has one."""
    common = COMMON_NAMES.get(name, name.lower())
    known = common in {*COMMON_NAMES.values(), "pan", "yellow", "lwir", "rededge"}
    return {"name": name, **({"eo:common_name": common} if known else {})}


def _classes(entries: Sequence[tuple[int, str, str, str]]) -> list[dict[str, Any]]:
    """Values as the classification extension describes them."""
    return [
        {"value": value, "name": name, "description": label, "color_hint": color.removeprefix("#").upper()}
        for value, color, label, name in entries
    ]


def _declared(item: dict[str, Any]) -> dict[str, Any]:
    """The Item with the extensions that it uses: an Item that declares another is not valid."""
    keys = {key.partition(":")[0] for key in _keys([item["properties"], item["assets"]]) if ":" in key}
    return item | {"stac_extensions": [EXTENSIONS[prefix] for prefix in sorted(keys & EXTENSIONS.keys())]}


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _keys(each)


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
