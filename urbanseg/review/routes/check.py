"""Addresses of points that people check: drawn from the map, shown without what it says there, and judged."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from fastapi import APIRouter, Response

from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.config.labels import IGNORE_NAME
from urbanseg.mapping import checkpoints
from urbanseg.review.desk import Desk
from urbanseg.review.refusals import RefusedError
from urbanseg.review.scenes import Scene
from urbanseg.workflows import accuracy_sample


def check(desk: Desk) -> APIRouter:
    """The addresses of this module."""
    router, writing = APIRouter(), threading.Lock()

    @router.get("/api/scenes/{name}/sample")
    def sample(name: str) -> dict[str, Any]:
        scene = desk.scene(name)
        file = file_of(desk, scene)
        return {"points": points_of(desk, scene, file) if file.exists() else []}

    @router.post("/api/scenes/{name}/sample", status_code=201)
    def draw(name: str) -> dict[str, Any]:
        scene = desk.scene(name)
        file, params = file_of(desk, scene), desk.params()
        assert params is not None  # noqa: S101, a city is one of them
        with writing:
            if file.exists():
                raise RefusedError(409, "a sample is drawn already; move its file away for another")
            file.parent.mkdir(parents=True, exist_ok=True)
            accuracy_sample.draw(scene.id, params, file, desk.root)
        return {"points": points_of(desk, scene, file)}

    @router.post("/api/scenes/{name}/sample/{point}")
    def answer(name: str, point: int, asked: dict[str, Any]) -> dict[str, Any]:
        scene = desk.scene(name)
        said = reference_of(scene, asked.get("reference"))
        with writing:
            checkpoints.answer(file_of(desk, scene), point, said, scene.table)
        return {"point": point, "reference": asked.get("reference")}

    @router.get("/api/scenes/{name}/accuracy")
    def accuracy(name: str) -> dict[str, Any]:
        scene, params = desk.scene(name), desk.params()
        assert params is not None  # noqa: S101, a city is one of them
        return accuracy_sample.assess(scene.id, params, file_of(desk, scene))[1]

    @router.get("/api/scenes/{name}/sample.gpkg")
    def export(name: str) -> Response:
        file = file_of(desk, desk.scene(name))
        if not file.exists():
            raise RefusedError(404, "no sample is drawn yet")
        sent = {"Content-Disposition": f'attachment; filename="{file.name}"'}
        return Response(file.read_bytes(), media_type="application/geopackage+sqlite3", headers=sent)

    return router


def file_of(desk: Desk, scene: Scene) -> Path:
    """Where the points of a scene are stored.

    Raises:
        RefusedError: if it is no city.
    """
    if scene.kind != "city":
        raise RefusedError(422, "points are drawn from the maps of cities")
    return desk.root / paths.checkpoints(scene.id)


def reference_of(scene: Scene, said: Any) -> int | None:
    """The pixel value of an answer: of a class by its name, `IGNORE` for ``ignore``, None for None.

    Raises:
        RefusedError: if it is none of them.
    """
    if said is None or said == IGNORE_NAME:
        return None if said is None else IGNORE
    if said not in scene.table.names:
        raise RefusedError(422, f"reference must be null, ignore, or one of {', '.join(scene.table.names)}")
    return scene.table.id_of(said)


def points_of(desk: Desk, scene: Scene, file: Path) -> list[dict[str, Any]]:
    """The points for the page, without what the map says.

    Args:
        desk: of the server.
        scene: a city.
        file: of the points.
    """
    frame, points = desk.frame(scene), checkpoints.blind_points(file)
    half = frame.grid.resolution / 2
    squares = shapely.buffer(points.geometry.to_numpy(), half, cap_style="square")
    placed = [frame.shape_in_degrees(square) for square in squares]
    names = {each.id: each.name for each in scene.table} | {IGNORE: IGNORE_NAME}
    said = points["reference"].to_numpy(np.int64, na_value=-1)
    return [
        {"point": int(number), "reference": names.get(int(value)), "bounds": list(square.bounds)}
        for number, value, square in zip(points["point"], said, placed, strict=True)
    ]
