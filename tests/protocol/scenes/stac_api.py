"""STAC APIs with COGs behind them: like Earth Search, its Collection 1, and the Planetary Computer.

They differ as the real ones do: names of assets, signed addresses, and whether digital
numbers keep the offset of baseline 04.00. COGs are written when they are first asked for
and served with range requests.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
import shapely
from affine import Affine

from tests.protocol.scenes import world
from tests.protocol.scenes.sentinel_hub import between
from tests.protocol.scenes.server import Archive, Request, Response

NAMES = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2",
    "B07": "rededge3", "B08": "nir", "B8A": "nir08", "B09": "nir09", "B11": "swir16", "B12": "swir22",
    "SCL": "scl",
}  # fmt: skip
ASSETS = {
    "earth_search": NAMES,
    "collection_1": NAMES,
    "planetary_computer": {band: band for band in NAMES},
}
CONFORMANCE = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/item-search",
]
COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def landing(archive: Archive, request: Request) -> Response:
    """Where a client begins."""
    here = f"{archive.url}{request.path}"
    links = [
        {"rel": "self", "href": here, "type": "application/json"},
        {"rel": "root", "href": here, "type": "application/json"},
        {"rel": "search", "href": f"{here}/search", "type": "application/geo+json", "method": "POST"},
    ]
    catalog = {"type": "Catalog", "id": "loopback", "stac_version": "1.0.0", "description": "On loopback"}
    return Response(json.dumps({**catalog, "conformsTo": CONFORMANCE, "links": links}).encode())


def search(archive: Archive, request: Request) -> Response:
    """Items of a time and place, in pages."""
    flavour = request.path.split("/")[2]
    query = json.loads(request.body)
    area = shapely.geometry.shape(query["intersects"])
    found = [] if request.fault == "empty" else between(archive, query["datetime"])
    found = [product for product in found if product.footprint.intersects(area)]
    start = int(query.get("token", 0))
    links = []
    if start + archive.page < len(found):
        body = {**query, "token": str(start + archive.page)}
        href = f"{archive.pages or archive.url}{request.path}"
        links.append({"rel": "next", "href": href, "method": "POST", "body": body})
    items = [_item(archive, flavour, product) for product in found[start : start + archive.page]]
    answer = {"type": "FeatureCollection", "features": items, "links": links}
    return Response(json.dumps(answer).encode(), "application/geo+json")


def sas(archive: Archive, _: Request) -> Response:
    """A token that signs addresses."""
    answer = {"msft:expiry": "2999-01-01T00:00:00Z", "token": archive.sas_token}
    return Response(json.dumps(answer).encode())


def cog(archive: Archive, request: Request) -> Response:
    """A COG, or a range of it."""
    _, _, flavour, name, asset = request.path.split("/")
    if flavour == "planetary_computer" and request.query.get("sig") != archive.sas_token.removeprefix("sig="):
        return Response(b"signature did not match", "application/xml", status=403)
    product = next(product for product in archive.products if product.id == name)
    path = _written(archive, flavour, product, asset.removesuffix(".tif"), blank=request.fault == "nodata")
    wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
    if not wanted:
        return Response(path.read_bytes(), COG, headers={"Accept-Ranges": "bytes"})
    size = path.stat().st_size
    first, last = int(wanted[1]), min(int(wanted[2]), size - 1)
    with path.open("rb") as file:
        file.seek(first)
        content = file.read(last + 1 - first)
    place = {"Content-Range": f"bytes {first}-{last}/{size}"}
    return Response(content, COG, status=206, headers=place)


def _item(archive: Archive, flavour: str, product: world.Product) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "datetime": f"{product.moment:%Y-%m-%dT%H:%M:%S.024Z}",
        "s2:processing_baseline": product.baseline,
        "eo:cloud_cover": 50,
    }
    if flavour == "earth_search":
        properties["earthsearch:boa_offset_applied"] = _applied(flavour, product)
        properties["grid:code"] = f"MGRS-{product.granule}"
    else:
        properties["s2:mgrs_tile"] = product.granule
    assets = {
        asset: {
            "href": f"{archive.images or archive.url}/cogs/{flavour}/{product.id}/{asset}.tif",
            "type": COG,
            "roles": ["data"],
            **(_raster(product) if flavour != "planetary_computer" and asset != "scl" else {}),
        }
        for asset in ASSETS[flavour].values()
    }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": product.id,
        "collection": "sentinel-2-l2a",
        "geometry": shapely.geometry.mapping(product.footprint),
        "bbox": list(product.footprint.bounds),
        "properties": {**properties, "proj:epsg": world.EPSG},
        "assets": assets,
        "links": [],
    }


def _raster(product: world.Product) -> dict[str, Any]:
    """Scale and offset as Earth Search gives them, whether or not the offset was applied."""
    offset = -0.1 if product.baseline >= "04.00" else 0
    return {"raster:bands": [{"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": offset}]}


def _applied(flavour: str, product: world.Product) -> bool:
    """Whether the COGs' numbers lack the offset: those of Earth Search do in even months."""
    return flavour == "earth_search" and product.moment.month % 2 == 0


def _written(archive: Archive, flavour: str, product: world.Product, asset: str, *, blank: bool) -> Path:
    digest = hashlib.sha1(repr((flavour, product, asset, blank)).encode(), usedforsecurity=False).hexdigest()
    path = archive.folder / f"{digest}.tif"
    with archive.lock:
        if not path.exists():
            _write(path, flavour, product, asset, blank=blank)
    return path


def _write(path: Path, flavour: str, product: world.Product, asset: str, *, blank: bool) -> None:
    band = next(name for name, known in ASSETS[flavour].items() if known == asset)
    pixel = 20 if band in {*world.TWENTY_METRES, "SCL"} else 10
    left, bottom, right, top = product.bounds
    width, height = int((right - left) / pixel), int((top - bottom) / pixel)
    x, y = world.centres(product.bounds, width, height)
    if band == "SCL":
        image = product.codes(x, y)
    elif _applied(flavour, product):
        image = np.maximum(1, product.numbers(band, x, y).astype(int) - product.offset).astype(np.uint16)
    else:
        image = product.numbers(band, x, y)
    draft = path.with_suffix(".draft.tif")
    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": height,
        "width": width,
        "dtype": image.dtype,
        "nodata": 0,
    }
    with rasterio.open(
        draft, "w", crs=f"EPSG:{world.EPSG}", transform=Affine(pixel, 0, left, 0, -pixel, top), **profile
    ) as dataset:
        dataset.write(image * (not blank), 1)
    rasterio.shutil.copy(
        draft, path, driver="COG", compress="deflate", blocksize=128, overview_resampling="nearest"
    )
    draft.unlink()


ROUTES = [
    ("/stac/[^/]+", landing),
    ("/stac/[^/]+/search", search),
    ("/sas/sentinel-2-l2a", sas),
    ("/cogs/[^/]+/[^/]+/[^/]+", cog),
]
