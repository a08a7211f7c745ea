"""The area of interest of a downloaded scene, and the scene's grid.

An area is a bounding box, the polygons of a file, or the outline of a place that a
Nominatim geocoder knows. The scene covers its bounding rectangle; clouds are counted
over the area itself.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyogrio.errors import CRSError, DataSourceError
from pyproj import CRS, Transformer
from rasterio.features import geometry_mask
from shapely.geometry.base import BaseGeometry

from urbanseg.config.scene import AreaParams, Retry
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, ground_scale, utm_crs
from urbanseg.imagery.sentinel2.retry import MALFORMED, ResponseError, with_retries
from urbanseg.io import vector_files

MAX_SIDE_PX = 60_000
"""Larger scenes are a mistake in the area or the resolution."""

SLACK = 0.02
"""Tolerance in pixels by which an area may exceed the grid, so that rounding adds no row or column."""


@dataclass(frozen=True)
class Area:
    """An area of interest: its name in messages, and its polygons in EPSG:4326."""

    name: str
    shape: BaseGeometry


def find(params: AreaParams, retry: Retry) -> Area:
    """The area of interest that the parameters name.

    Raises:
        PipelineError: if the file is missing or holds no polygon, or the place is not found.
    """
    if params.bbox is not None:
        name = "bbox " + ", ".join(f"{edge:g}" for edge in params.bbox)
        return Area(name, shapely.box(*params.bbox))
    if params.file is not None:
        return Area(params.file.name, _polygons(params.file))
    place = str(params.place)
    return Area(place, _outline(place, params.geocoder, retry))


def grid(area: Area, crs: str | None, resolution: float) -> Grid:
    """The grid of the area's bounding rectangle, its edges at multiples of `resolution`.

    Args:
        area: of interest.
        crs: a metric one; the area's UTM zone if None.
        resolution: side of a pixel in metres.

    Returns:
        A north-up grid that covers the area.

    Raises:
        PipelineError: if it would have more than `MAX_SIDE_PX` pixels on a side, or the CRS's metres
            are not metres on the ground there.
    """
    west, south, east, north = area.shape.bounds
    target = CRS.from_user_input(crs) if crs else utm_crs((west + east) / 2, (south + north) / 2)
    projected = project(area.shape, target)
    left, bottom, right, top = projected.bounds
    first_col, first_row = np.floor(left / resolution + SLACK), np.ceil(top / resolution - SLACK)
    last_col, last_row = np.ceil(right / resolution - SLACK), np.floor(bottom / resolution + SLACK)
    height, width = max(1, int(first_row - last_row)), max(1, int(last_col - first_col))
    if not max(height, width) <= MAX_SIDE_PX:
        raise PipelineError(
            f"the area {area.name} is {width} × {height} pixels of {resolution:g} m, more than {MAX_SIDE_PX} "
            "on a side; choose a smaller area, or larger pixels by resolution_m"
        )
    corner = Affine.translation(first_col * resolution, first_row * resolution)
    found = Grid(target, corner @ Affine.scale(resolution, -resolution), height, width)
    if not found.is_metric:
        raise PipelineError(
            f"crs {crs or target.name} is not metric at {area.name}: its metre is "
            f"{ground_scale(target, *found.centre)[0]:.3g} m on the ground there; leave crs out for the UTM "
            "zone, or choose a local system"
        )
    return found


def inside(area: Area, target: Grid) -> NDArray[np.bool_]:
    """Which pixels of a grid lie in the area: ``(height, width)``; all that the area touches."""
    shape = project(area.shape, target.crs)
    outside = geometry_mask([shape], target.shape, target.transform, all_touched=True)
    return np.asarray(~outside)


def project(shape: BaseGeometry, crs: CRS) -> BaseGeometry:
    """A shape in degrees projected to `crs`, its sides densified to steps of at most 1/20 of its extent."""
    west, south, east, north = shape.bounds
    fine = shapely.segmentize(shape, max(east - west, north - south, 1e-9) / 20)
    transform = Transformer.from_crs(4326, crs, always_xy=True).transform
    return shapely.transform(fine, lambda xy: np.column_stack(transform(xy[:, 0], xy[:, 1])))


def _polygons(path: Path) -> BaseGeometry:
    if not path.exists():
        raise PipelineError(f"{path} does not exist; correct area.file")
    vector_files.require_plain(path)
    try:
        frame = gpd.read_file(path)
    except (CRSError, DataSourceError, ValueError) as error:
        raise PipelineError(f"{path} is not a vector file that GDAL can open; it may be damaged") from error
    if not isinstance(frame, gpd.GeoDataFrame) or frame.crs is None:
        raise PipelineError(f"{path} holds no shapes with a coordinate reference system; correct area.file")
    shapes = frame.to_crs(4326).geometry
    return _areal(shapes[~shapes.is_empty & shapes.notna()].union_all(), str(path))


def _areal(shape: BaseGeometry, name: str) -> BaseGeometry:
    parts = [part for part in shapely.get_parts(shape) if part.area > 0]
    if not parts:
        raise PipelineError(f"{name} holds no polygon; draw the area of interest as one")
    return shapely.union_all(parts)


def _outline(place: str, address: str, retry: Retry) -> BaseGeometry:
    found = with_retries(_request(address, place, retry.timeout_s), f"the geocoder {address}", retry)
    if found is None:
        raise PipelineError(
            f"the geocoder {address} knows no place {place!r}; correct area.place, or give a bbox"
        )
    shape = shapely.geometry.shape(found["geojson"]) if "geojson" in found else shapely.Point()
    if shape.area == 0:
        south, north, west, east = (float(edge) for edge in found["boundingbox"])
        shape = shapely.box(west, south, east, north)
    return _areal(shape, place)


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirect: the place is told to the geocoder of params.yaml and to no other."""

    def __init__(self, address: str) -> None:
        self.address = address

    def redirect_request(
        self, _request: Request, answer: IO[bytes], _code: int, _message: str, _headers: Any, target: str
    ) -> Request | None:
        """Follow none; see `urllib.request.HTTPRedirectHandler`.

        Raises:
            PipelineError: with the host of the target.
        """
        answer.close()
        raise PipelineError(
            f"the geocoder {self.address} redirects to {urlsplit(target).hostname}; "
            "set area.geocoder to the address that answers"
        )


def _request(address: str, place: str, timeout_s: float) -> Callable[[], dict[str, Any] | None]:
    """Nominatim's search: https://nominatim.org/release-docs/latest/api/Search/."""
    query = urlencode({"q": place, "format": "json", "limit": 1, "polygon_geojson": 1})
    asked = Request(f"{address}/search?{query}", headers={"User-Agent": "urbanseg"})  # noqa: S310, a checked Url
    opener = build_opener(_NoRedirects(address))

    def request() -> dict[str, Any] | None:
        try:
            with opener.open(asked, timeout=timeout_s) as answer:
                found = json.load(answer)
            return dict(found[0]) if found else None
        except (OSError, HTTPException, *MALFORMED) as error:
            if isinstance(error, HTTPError):
                error.close()
            raise ResponseError(f"it did not answer ({type(error).__name__})") from error

    return request
