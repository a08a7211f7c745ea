"""Addresses of what is known of a scene: its layers, the values under the pointer, its blocks."""

import math
from typing import Any

from fastapi import APIRouter

from urbanseg.classes import IGNORE, decode_share
from urbanseg.grid import SPLITS, Window
from urbanseg.io.raster import rasterio_window
from urbanseg.review import blocks, scenes, thresholds
from urbanseg.review.desk import Desk
from urbanseg.review.layers import classes, describe_layers
from urbanseg.review.refusals import RefusedError
from urbanseg.review.routes.pictures import vector_layers
from urbanseg.review.scenes import Scene


def see(desk: Desk) -> APIRouter:
    """The addresses of this module."""
    router = APIRouter()

    @router.get("/api/scenes/{name}")
    def scene(name: str) -> dict[str, Any]:
        return describe(desk, desk.scene(name))

    @router.get("/api/scenes/{name}/values")
    def values(name: str, lon: float, lat: float) -> dict[str, Any]:
        return values_at(desk, desk.scene(name), lon, lat)

    @router.get("/api/scenes/{name}/blocks")
    def all_blocks(name: str) -> dict[str, Any]:
        found = desk.scene(name)
        features = blocks.as_features(desk.figures(found), desk.frame(found), found.table.names)
        return {"type": "FeatureCollection", "features": features}

    return router


def describe(desk: Desk, scene: Scene) -> dict[str, Any]:
    """A scene for the page."""
    frame = desk.frame(scene)
    bands = scenes.describe_bands(scene, desk.readers)
    west, south, east, north = frame.degrees
    minzoom, maxzoom = frame.zooms
    authority = frame.grid.crs.to_authority() if frame.is_placed else None
    return {
        "id": scene.id, "title": scene.title, "kind": scene.kind, "bounds": [west, south, east, north],
        "center": [(west + east) / 2, (south + north) / 2], "minzoom": minzoom, "maxzoom": maxzoom,
        "crs": ":".join(authority) if authority else None, "placed": frame.is_placed,
        "pixel_m": round(frame.pixel_m, 6), "width": frame.grid.width, "height": frame.grid.height,
        "license": scene.attribution, "bands": bands, "composites": scenes.composites(bands),
        "classes": classes(scene.table), "layers": describe_layers(scene) + vector_layers(desk, scene),
        "thresholds": _thresholds(desk, scene), "correctable": scene.kind == "city", **scene.extra,
    }  # fmt: skip


def _thresholds(desk: Desk, scene: Scene) -> dict[str, Any]:
    """The thresholds that the delivered map was made with, and why there are no others, if so."""
    params = desk.params()
    least, clean, clean_px = {}, "none", 1
    if params is not None and scene.kind == "city":
        least, clean = params.predict.min_confidence, params.predict.clean
        clean_px = params.predict.clean_px
    reason = None if scene.has("probabilities") else thresholds.UNAVAILABLE
    return {"min_confidence": least, "clean": clean, "clean_px": clean_px, "unavailable": reason}


def values_at(desk: Desk, scene: Scene, longitude: float, latitude: float) -> dict[str, Any]:
    """What all rasters say of a place.

    Args:
        desk: of the server.
        scene: that is shown.
        longitude: in degrees.
        latitude: in degrees.

    Returns:
        ``inside``; and where that is true, the pixel, its place in the scene's CRS, and values by raster.

    Raises:
        RefusedError: if the degrees are not finite.
    """
    frame = desk.frame(scene)
    if not (math.isfinite(longitude) and math.isfinite(latitude)):
        raise RefusedError(422, "lon and lat are numbers of degrees")
    at = frame.pixel_at(longitude, latitude)
    if at is None:
        return {"inside": False}
    x, y = frame.from_degrees.transform(longitude, latitude)
    found: dict[str, Any] = {"inside": True, "row": at[0], "col": at[1], "x": x, "y": y}
    window = rasterio_window(Window(*at, 1, 1))
    for layer in scene.rasters:
        if not scene.has(layer):
            continue
        with desk.readers.reading(scene.rasters[layer]) as dataset:
            pixel = dataset.read(window=window)[:, 0, 0].tolist()
        found[layer] = _named(layer, pixel, scene)
    return found


def _named(layer: str, pixel: list[Any], scene: Scene) -> Any:
    """The values of a pixel as the page shows them."""
    if layer == "scene":
        return [value if isinstance(value, int) or math.isfinite(value) else None for value in pixel]
    if pixel[0] == IGNORE:
        return None
    if layer in {"labels", "prediction"}:
        return scene.name_of(pixel[0])
    if layer == "split":
        return SPLITS[pixel[0]] if pixel[0] < len(SPLITS) else None
    shares = [round(float(share), 4) for share in map(decode_share, pixel)]
    return dict(zip(scene.table.names, shares, strict=False)) if layer == "probabilities" else shares[0]
