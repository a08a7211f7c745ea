"""Sentinel Hub's OAuth token, Catalog search and Process API, as far as scenes need them.

https://docs.sentinel-hub.com/api/latest/reference
"""

import io
import json
import re
import secrets
import tarfile
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from tests.protocol.scenes import world
from tests.protocol.scenes.server import CLIENT_ID, CLIENT_SECRET, Archive, Request, Response

LIMIT_PX = 2500


def token(archive: Archive, request: Request) -> Response:
    """An access token for the right client."""
    form = {key: values[0] for key, values in parse_qs(request.body.decode()).items()}
    if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
        # A careless server that repeats what it was sent.
        said = {"error": "invalid_client", "error_description": f"{form} is wrong"}
        return Response(json.dumps(said).encode(), status=401)
    archive.tokens.append(f"token-{secrets.token_hex(8)}")
    answer = {"access_token": archive.tokens[-1], "expires_in": archive.token_seconds, "token_type": "Bearer"}
    return Response(json.dumps(answer).encode())


def search(archive: Archive, request: Request) -> Response:
    """Products of a time and place, in pages."""
    if denied := _denied(archive, request):
        return denied
    query = json.loads(request.body)
    assert query["collections"] == ["sentinel-2-l2a"]
    found = [] if request.fault == "empty" else list(between(archive, query["datetime"]))
    area = shapely.geometry.shape(query["intersects"])
    found = [product for product in found if product.footprint.intersects(area)]
    start = query.get("next", 0)
    page = found[start : start + archive.page]
    context: dict[str, Any] = {"limit": query["limit"], "returned": len(page)}
    if start + archive.page < len(found):
        context["next"] = start + archive.page
    features = [
        {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": f"{product.id}.SAFE",
            "geometry": shapely.geometry.mapping(product.footprint),
            "properties": {"datetime": f"{product.moment:%Y-%m-%dT%H:%M:%SZ}"},
        }
        for product in found[start : start + archive.page]
    ]
    answer = {"type": "FeatureCollection", "features": features, "context": context}
    return Response(json.dumps(answer).encode(), "application/geo+json")


def process(archive: Archive, request: Request) -> Response:
    """Bands and SCL of a window, as one TIFF or as TIFFs in a TAR archive."""
    if denied := _denied(archive, request):
        return denied
    query = json.loads(request.body)
    output, (source,) = query["output"], query["input"]["data"]
    if max(output["width"], output["height"]) > LIMIT_PX:
        message = f"output.width and output.height must be at most {LIMIT_PX}"
        return Response(json.dumps({"error": {"status": 400, "message": message}}).encode(), status=400)
    assert query["input"]["bounds"]["properties"]["crs"].endswith(f"/{world.EPSG}")
    x, y = world.centres(query["input"]["bounds"]["bbox"], output["width"], output["height"])
    images = _render(archive, query["evalscript"], source, x, y, blank=request.fault == "nodata")
    wanted = [response["identifier"] for response in output["responses"]]
    tiffs = {name: _tiff(images[name]) for name in wanted}
    if len(tiffs) == 1:
        return Response(tiffs[wanted[0]], "image/tiff")
    return Response(_tar({f"{name}.tif": tiff for name, tiff in tiffs.items()}), "application/tar")


def between(archive: Archive, interval: str) -> list[world.Product]:
    """Products in an interval such as ``2023-06-01T00:00:00Z/2023-06-30T23:59:59Z``, newest first."""
    first, last = (datetime.fromisoformat(moment) for moment in interval.split("/"))
    found = [product for product in archive.products if first <= product.moment <= last]
    return sorted(found, key=lambda product: product.moment, reverse=True)


def _render(
    archive: Archive, script: str, source: dict[str, Any], x: NDArray, y: NDArray, *, blank: bool
) -> dict[str, NDArray]:
    """What `urbanseg.imagery.sentinel2.process_api.EVALSCRIPT` computes; a test runs that itself."""
    found = re.search(r"bands: (\[.*?\]), units: (\[.*?\])", script)
    assert found
    units = dict(zip(json.loads(found[1]), json.loads(found[2]), strict=True))
    harmonised = source["processing"]["harmonizeValues"]
    interval = source["dataFilter"]["timeRange"]
    bands = [band for band in units if band not in {"SCL", "dataMask"}]
    pixels = np.zeros((len(bands), y.size, x.size), np.uint16)
    codes = np.zeros((1, y.size, x.size), np.uint8)
    for product in [] if blank else between(archive, f"{interval['from']}/{interval['to']}"):
        seen = product.codes(x, y)
        fresh = (codes[0] == 0) & (seen > 0)
        codes[0][fresh] = seen[fresh]
        for index, band in enumerate(bands):
            assert units[band] == "REFLECTANCE"
            reflectance = product.numbers(band, x, y).astype(int) - (product.offset if harmonised else 0)
            pixels[index][fresh] = np.maximum(1, reflectance)[fresh]
    return {"bands": pixels, "scl": codes}


def _denied(archive: Archive, request: Request) -> Response | None:
    if request.headers.get("Authorization", "").removeprefix("Bearer ") in archive.tokens:
        return None
    return Response(b'{"error": {"status": 401, "message": "Access token is invalid"}}', status=401)


def _tiff(image: NDArray) -> bytes:
    count, height, width = image.shape
    with MemoryFile() as file:
        with file.open(driver="GTiff", count=count, height=height, width=width, dtype=image.dtype) as dataset:
            dataset.write(image)
        return bytes(file.read())


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


ROUTES = [
    ("/oauth/token", token),
    ("/api/v1/catalog/1.0.0/search", search),
    ("/api/v1/process", process),
]
