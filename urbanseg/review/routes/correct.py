"""Addresses of corrections: strokes, undo and redo, and regions."""

from typing import Any

import shapely
from fastapi import APIRouter, Response

from urbanseg import paths
from urbanseg.config.labels import IGNORE_NAME
from urbanseg.io import files
from urbanseg.review import corrections as store
from urbanseg.review import exchange, places, scenes, vectors
from urbanseg.review.corrections import Corrections, Record, Stroke
from urbanseg.review.desk import Desk
from urbanseg.review.frames import Frame
from urbanseg.review.readers import state
from urbanseg.review.refusals import RefusedError
from urbanseg.review.scenes import Scene


def correct(desk: Desk) -> APIRouter:
    """The addresses of this module."""
    router = APIRouter()

    @router.get("/api/scenes/{name}/corrections")
    def records(name: str, since: int = 0) -> dict[str, Any]:
        scene = desk.scene(name)
        found = corrections_of(desk, scene).records(since)
        last = found[-1].seq if found else since
        return {"seq": last, "records": [told(desk, scene, record) for record in found]}

    @router.post("/api/scenes/{name}/corrections")
    def add(name: str, asked: dict[str, Any], response: Response) -> dict[str, Any]:
        scene = desk.scene(name)
        kept, stroke = corrections_of(desk, scene), stroke_of(desk, scene, asked)
        keep_split(desk, scene)
        record, is_new = kept.add(stroke)
        response.status_code = 201 if is_new else 200
        return told(desk, scene, record)

    @router.post("/api/scenes/{name}/corrections/{of}/{action}")
    def reverse(name: str, of: str, action: str, asked: dict[str, Any], response: Response) -> dict[str, Any]:
        scene = desk.scene(name)
        if action not in {store.UNDO, store.REDO}:
            raise RefusedError(404, "a correction can be undone or redone")
        kept = corrections_of(desk, scene)
        record, is_new = kept.reverse(store.require_id(asked.get("id")), store.require_id(of), action)
        response.status_code = 201 if is_new else 200
        return told(desk, scene, record)

    @router.post("/api/scenes/{name}/region")
    def region(name: str, asked: dict[str, Any]) -> dict[str, Any]:
        return region_at(desk, desk.scene(name), asked)

    return router


def corrections_of(desk: Desk, scene: Scene) -> Corrections:
    """Where the corrections of a scene are stored.

    Raises:
        RefusedError: if it is no city.
    """
    if scene.kind != "city":
        raise RefusedError(
            422, "corrections are stored for cities; add the image as one with urbanseg city add"
        )
    path = desk.root / paths.corrections(scene.id)
    return Corrections(path, desk.frame(scene).grid.crs, desk.user, exchange.style(scene.table))


def stroke_of(desk: Desk, scene: Scene, asked: dict[str, Any]) -> Stroke:
    """The stroke that the page sends.

    Args:
        desk: of the server.
        scene: in which it is drawn.
        asked: ``id``, ``tool``, ``class``, and ``geometry``, GeoJSON in degrees.

    Raises:
        RefusedError: if it is none.
    """
    name, tool = store.require_id(asked.get("id")), asked.get("tool")
    if tool not in store.TOOLS:
        raise RefusedError(422, f"tool must be one of {', '.join(store.TOOLS)}")
    drawn = desk.frame(scene).shape_from_degrees(store.shape_of(asked.get("geometry")))
    return stroke_at(desk, scene, name, drawn, asked.get("class"), tool)


def stroke_at(desk: Desk, scene: Scene, name: str, drawn: Any, class_name: Any, tool: str) -> Stroke:
    """A stroke with what the rasters say of its place.

    Args:
        desk: of the server.
        scene: in which it lies.
        name: id of the stroke.
        drawn: its shape in the scene's CRS, which may reach over the edge of the scene.
        class_name: what is there, or ``ignore``.
        tool: of `corrections.TOOLS`.

    Raises:
        RefusedError: if its class is none, or it lies outside of the scene.
    """
    frame, names = desk.frame(scene), scene.table.names
    if class_name not in {*names, IGNORE_NAME}:
        raise RefusedError(422, f"class must be ignore, or one of {', '.join(names)}")
    inside = shapely.intersection(drawn, shapely.box(*frame.grid.bounds))
    if inside.is_empty:
        raise RefusedError(422, "the shape lies outside of the scene")
    shape = store.polygons_of(inside)
    before, split = None, "none"
    if scene.has("prediction"):
        with desk.readers.reading(scene.rasters["prediction"]) as dataset:
            before = places.most_frequent(places.seen(dataset, frame.grid, shape))
    if scene.has("split"):
        with desk.readers.reading(scene.rasters["split"]) as dataset:
            split = places.split_name(places.seen(dataset, frame.grid, shape))
    area_ha = places.hectares(frame, shape)
    return Stroke(name, shape, class_name, scene.name_of(before), tool, split, model_digest(desk), area_ha)


def keep_split(desk: Desk, scene: Scene) -> None:
    """Write down the splits of the blocks before the first correction, if there are any.

    The split of a city is balanced by its labels: corrections would move blocks between training and test.
    """
    path = desk.root / paths.kept_split(scene.id)
    if path.exists() or not scene.has("split"):
        return
    figures = desk.figures(scene)
    pairs = zip(figures.windows, figures.splits, strict=True)
    files.write_json(path, {"blocks": [[*window, split] for window, split in pairs]})


def model_digest(desk: Desk) -> str | None:
    """The first digits of the digest of the project's model; None without one."""
    file = desk.root / paths.MODEL / "model.safetensors"
    if not file.is_file():
        return None
    found: str = desk.latest("model", state(file), lambda: files.sha256(file)[:16])
    return found


def told(desk: Desk, scene: Scene, record: Record) -> dict[str, Any]:
    """A record for the page.

    Args:
        desk: of the server.
        scene: that the record is of.
        record: whose shape becomes GeoJSON in degrees.
    """
    shape = None
    if record.shape is not None:
        shape = shapely.geometry.mapping(desk.frame(scene).shape_in_degrees(record.shape))
    return {"seq": record.seq, **record.values, "geometry": shape}


def region_at(desk: Desk, scene: Scene, asked: dict[str, Any]) -> dict[str, Any]:
    """The region around a place: of the prediction, of pixels that look alike, or a polygon of the map.

    Args:
        desk: of the server.
        scene: that is shown.
        asked: ``lon`` and ``lat`` in degrees, and ``of``, which is ``prediction`` (also if it is not said),
            ``superpixel`` or ``polygon``.

    Raises:
        RefusedError: if there is none.
    """
    frame, kind = desk.frame(scene), asked.get("of", "prediction")
    layer = {"prediction": "prediction", "superpixel": "scene", "polygon": "scene"}.get(str(kind))
    at = asked.get("lon"), asked.get("lat")
    if not all(isinstance(value, int | float) for value in at) or layer is None:
        raise RefusedError(422, "lon and lat are degrees, and of is prediction, superpixel or polygon")
    pixel = frame.pixel_at(*at)  # type: ignore[arg-type]
    if pixel is None or not scene.has(layer):
        raise RefusedError(422, "the place lies outside of the scene")
    if kind == "polygon":
        place = frame.shape_from_degrees(shapely.Point(*at))  # type: ignore[arg-type]
        shape, class_name = polygon_at(desk, scene, place)
        return told_region(frame, shape, class_name)
    with desk.readers.reading(scene.rasters[layer]) as dataset:
        if layer == "prediction":
            shape, value = places.region(dataset, frame.grid, *pixel)
        else:
            bands = scenes.composites(scenes.describe_bands(scene, desk.readers))[0]["bands"]
            shape, value = places.superpixel(dataset, frame.grid, bands, *pixel), None
    if value is None and scene.has("prediction"):
        with desk.readers.reading(scene.rasters["prediction"]) as dataset:
            value = places.most_frequent(places.seen(dataset, frame.grid, shape))
    return told_region(frame, shape, scene.name_of(value))


def polygon_at(desk: Desk, scene: Scene, place: shapely.Point) -> tuple[Any, str]:
    """The polygon of the map at a place of the scene's CRS, and its class.

    Args:
        desk: of the server.
        scene: that is shown.
        place: in the scene's CRS, as is the polygon.

    Raises:
        RefusedError: if the scene has no polygons, or none there.
    """
    frame = desk.frame(scene)
    named = [layer["name"] for layer in vectors.layers(scene.map_file, frame)]
    found = vectors.polygon_at(scene.map_file, frame, place) if vectors.LAND_COVER in named else None
    if found is None:
        raise RefusedError(404, "the map has no polygon there")
    return found


def told_region(frame: Frame, shape: Any, class_name: str | None) -> dict[str, Any]:
    """A region for the page.

    Args:
        frame: of the scene.
        shape: in the scene's CRS.
        class_name: of the map there; None if it has none.

    Returns:
        The shape as GeoJSON in degrees, its class, and its area in hectares.
    """
    return {
        "geometry": shapely.geometry.mapping(frame.shape_in_degrees(shape)),
        "class": class_name,
        "area_ha": round(places.hectares(frame, shape), 4),
    }
