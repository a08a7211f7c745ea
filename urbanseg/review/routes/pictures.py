"""Addresses of tiles: rasters as pictures, polygons and roads as vectors."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from urbanseg.classes import IGNORE
from urbanseg.display.stretch import stretched
from urbanseg.review import scenes, thresholds, tiles, vectors
from urbanseg.review.desk import Desk
from urbanseg.review.frames import MERCATOR, Bounds, Frame, overlap, tile_bounds
from urbanseg.review.readers import state
from urbanseg.review.refusals import RefusedError, unknown
from urbanseg.review.scenes import Scene

PNG, PBF = "image/png", "application/vnd.mapbox-vector-tile"
SAME = {"Cache-Control": "private, max-age=60"}
COLORS = re.compile(r"([a-z0-9_]+:[0-9a-f]{6}(,[a-z0-9_]+:[0-9a-f]{6})*)?")
MOST_ZOOM = 24


def raster_tiles(desk: Desk) -> APIRouter:
    """The addresses of pictures."""
    router = APIRouter()

    @router.get("/api/scenes/{name}/tiles/{layer}/{zoom}/{column}/{row}.png")
    def tile(
        name: str, layer: str, zoom: int, column: int, row: int, bands: str = "", stretch: str = "2-98",
        least: Annotated[str, Query(alias="min")] = "", clean: str = "none", clean_px: int = 1,
        hide: str = "", colors: str = "",
    ) -> Response:  # fmt: skip
        found = desk.scene(name)
        frame, bounds = desk.frame(found), _bounds(zoom, column, row)
        if layer not in {"errors", "entropy"} and not found.has(layer):
            raise unknown("layer of that name")
        if not overlap(bounds, frame.mercator):
            return Response(status_code=204, headers=SAME)
        if not COLORS.fullmatch(colors):
            raise RefusedError(422, "colors are such as building:ff0000,road:00ff00")
        asked = (layer, bands, stretch, least, clean, clean_px, hide, colors)
        files = tuple(state(p) for p in found.rasters.values() if p.is_file())

        def make() -> bytes | None:
            if layer == "scene":
                return scene_tile(desk, found, frame, bounds, bands, stretch)
            if layer == "prediction" and (least or clean != "none"):
                settings = thresholds.parse(found.table, least, clean, clean_px)
                return threshold_tile(desk, found, frame, bounds, settings, _palette(found, colors, hide))
            return layer_tile(desk, found, frame, bounds, layer, _palette(found, colors, hide))

        png = desk.tiles.get((found.id, found.table, files, zoom, column, row, asked), make)
        return Response(png, media_type=PNG, headers=SAME) if png else Response(status_code=204, headers=SAME)

    return router


def vector_tiles(desk: Desk) -> APIRouter:
    """The addresses of vectors."""
    router = APIRouter()

    @router.get("/api/scenes/{name}/vectors/{layer}/{zoom}/{column}/{row}.pbf")
    def vector_tile(name: str, layer: str, zoom: int, column: int, row: int) -> Response:
        found = desk.scene(name)
        listed = {each["name"]: each for each in vector_layers(desk, found)}
        if layer not in listed:
            raise unknown("layer of that name")
        if zoom < listed[layer]["minzoom"]:
            raise RefusedError(422, f"{layer} is shown from zoom {listed[layer]['minzoom']}")
        frame, bounds = desk.frame(found), _bounds(zoom, column, row)
        key = (found.id, state(found.map_file), layer, zoom, column, row)
        made = desk.tiles.get(key, lambda: vectors.tile(found.map_file, layer, frame, bounds))
        return (
            Response(made, media_type=PBF, headers=SAME) if made else Response(status_code=204, headers=SAME)
        )

    return router


def vector_layers(desk: Desk, scene: Scene) -> list[dict[str, Any]]:
    """Layers of a scene's map."""
    if not scene.map_file.is_file():
        return []
    listed: list[dict[str, Any]] = desk.latest(
        ("vectors", scene.id),
        state(scene.map_file),
        lambda: vectors.layers(scene.map_file, desk.frame(scene)),
    )
    return listed


def _bounds(zoom: int, column: int, row: int) -> Bounds:
    if not 0 <= zoom <= MOST_ZOOM or not 0 <= column < 1 << zoom or not 0 <= row < 1 << zoom:
        raise unknown("tile")
    return tile_bounds(zoom, column, row)


def _palette(scene: Scene, colors: str, hide: str) -> Any:
    chosen = dict(pair.split(":") for pair in colors.split(",")) if colors else {}
    return tiles.class_palette(scene.table, chosen, hide.split(","))


def scene_tile(
    desk: Desk, scene: Scene, frame: Frame, bounds: Bounds, bands: str, stretch: str
) -> bytes | None:
    """A tile of the scene itself.

    Args:
        desk: of the server.
        scene: that is shown.
        frame: where the scene lies.
        bounds: of the tile in Web Mercator, in metres.
        bands: one number, or three with commas between; empty for the usual ones.
        stretch: percentiles such as ``2-98``, or ``min-max``.

    Returns:
        A PNG; None where there is no data.

    Raises:
        RefusedError: if the bands or the stretch are none.
    """
    known = scenes.describe_bands(scene, desk.readers)
    if not bands:
        bands = ",".join(map(str, scenes.composites(known)[0]["bands"]))
    if not re.fullmatch(r"\d{1,4}(,\d{1,4},\d{1,4})?", bands):
        raise RefusedError(422, "bands are one number, or three with commas between")
    numbers = tuple(map(int, bands.split(",")))
    if not set(numbers) <= {band["index"] for band in known}:
        raise RefusedError(422, f"the scene has the bands 1 to {len(known)}")
    if not re.fullmatch(r"min-max|\d{1,2}(\.\d{1,3})?-\d{1,3}(\.\d{1,3})?", stretch):
        raise RefusedError(422, "stretch is min-max, or two percentiles such as 2-98")
    with desk.readers.reading(scene.rasters["scene"]) as dataset:
        try:
            shown = desk.stretch(
                scene, numbers, stretch, lambda: tiles.stretch_for(dataset, numbers, stretch)
            )
        except ValueError as error:
            raise RefusedError(422, str(error)) from error
        values, valid = tiles.read_tile(dataset, frame, bounds, numbers, "bilinear")
    return tiles.picture_png(stretched(values, valid, shown), valid)


def layer_tile(
    desk: Desk, scene: Scene, frame: Frame, bounds: Bounds, layer: str, palette: Any
) -> bytes | None:
    """A tile of a raster of classes, shares or splits, or of errors.

    Args:
        desk: of the server.
        scene: that is shown.
        frame: where the scene lies.
        bounds: of the tile in Web Mercator, in metres.
        layer: ``errors``, or of `scenes.RASTERS` but ``scene`` and ``probabilities``.
        palette: ``(256, 4)`` uint8 RGBA of labels and prediction; other layers have their own.

    Returns:
        A PNG; None where all of it is transparent.

    Raises:
        RefusedError: if the scene has no such layer, or it is none to be shown.
    """
    if layer == "errors":
        labels, predicted = (_one_band(desk, scene, name, frame, bounds) for name in ("labels", "prediction"))
        wrong = (labels != predicted).astype("uint8")
        wrong[(labels == IGNORE) | (predicted == IGNORE)] = 2
        return tiles.paletted_png(wrong, tiles.ERRORS)
    if layer == "entropy" and not scene.has("entropy"):
        raise unknown("layer of that name")
    palettes = {"labels": palette, "prediction": palette, "split": tiles.SPLITS}
    if layer == "probabilities":
        raise unknown("layer of that name")
    return tiles.paletted_png(_one_band(desk, scene, layer, frame, bounds), palettes.get(layer, tiles.SHARES))


def _one_band(desk: Desk, scene: Scene, layer: str, frame: Frame, bounds: Bounds) -> Any:
    if not scene.has(layer):
        raise unknown("layer of that name")
    with desk.readers.reading(scene.rasters[layer]) as dataset:
        values, valid = tiles.read_tile(dataset, frame, bounds, [1])
    values[0][~valid] = IGNORE
    return values[0]


def threshold_tile(
    desk: Desk, scene: Scene, frame: Frame, bounds: Bounds, settings: thresholds.Settings, palette: Any
) -> bytes | None:
    """A tile of the classes under other thresholds, from the stored probabilities.

    Args:
        desk: of the server.
        scene: that is shown.
        frame: where the scene lies.
        bounds: of the tile in Web Mercator, in metres.
        settings: thresholds and clean-up.
        palette: ``(256, 4)`` uint8 RGBA of the classes.

    Returns:
        A PNG; None where all of it is transparent.

    Raises:
        RefusedError: if no probabilities are stored.
    """
    if not scene.has("probabilities"):
        raise RefusedError(422, thresholds.UNAVAILABLE)
    window = frame.window_of(bounds, MERCATOR)
    if window is None:
        return None
    with desk.readers.reading(scene.rasters["probabilities"]) as dataset:
        found, _ = thresholds.classes_of(dataset, window, settings, thresholds.MOST_TILE_PIXELS)
    part = frame.grid.window(window)
    grid = type(part)(
        part.crs,
        part.transform @ part.transform.scale(window.width / found.shape[1], window.height / found.shape[0]),
        *found.shape,
    )
    return tiles.paletted_png(tiles.onto_tile(found, grid, bounds), palette)
