"""Addresses of corrections as files: for QGIS, Labelme and CVAT, and back."""

import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from numpy.typing import NDArray

from urbanseg.display.stretch import stretched
from urbanseg.review import annotation, exchange, scenes, tiles
from urbanseg.review import corrections as store
from urbanseg.review.bodies import receive
from urbanseg.review.desk import Desk
from urbanseg.review.refusals import RefusedError
from urbanseg.review.routes.correct import corrections_of, keep_split, stroke_at
from urbanseg.review.scenes import Scene

IMPORT_BYTES = 64 << 20

WRITERS = {"labelme": (annotation.labelme, "json"), "cvat": (annotation.cvat, "xml")}
"""By the name of the tool: what writes its file, and the ending of that."""


def exchange_files(desk: Desk) -> APIRouter:
    """The addresses of this module."""
    router = APIRouter()

    @router.get("/api/scenes/{name}/corrections.gpkg")
    def export(name: str) -> Response:
        scene = desk.scene(name)
        strokes = store.shown(corrections_of(desk, scene).records())
        with TemporaryDirectory() as folder:
            file = Path(folder) / f"{scene.id}_corrections.gpkg"
            exchange.write(file, strokes, desk.frame(scene), exchange.style(scene.table))
            return _sent(file.read_bytes(), file.name, "application/geopackage+sqlite3")

    @router.get("/api/scenes/{name}/corrections_{tool}.zip")
    def annotated(name: str, tool: str) -> Response:
        if tool not in WRITERS:
            raise RefusedError(404, f"there are files for {', '.join(WRITERS)}")
        scene = desk.scene(name)
        strokes, grid = store.shown(corrections_of(desk, scene).records()), desk.frame(scene).grid
        write, ending = WRITERS[tool]
        picture = f"{scene.id}.png"
        content = {
            picture: annotation.png(picture_of(desk, scene)),
            f"{scene.id}.{ending}": write(strokes, grid, picture).encode(),
        }
        return _sent(annotation.archive(content), f"{scene.id}_{tool}.zip", "application/zip")

    @router.put("/api/scenes/{name}/corrections.gpkg")
    async def take_back(name: str, request: Request) -> dict[str, int]:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "edited.gpkg"
            await receive(request, file, IMPORT_BYTES)
            return await run_in_threadpool(brought_back, desk, desk.scene(name), file)

    return router


def _sent(content: bytes, name: str, kind: str) -> Response:
    return Response(
        content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def picture_of(desk: Desk, scene: Scene) -> NDArray[np.uint8]:
    """The scene in its usual colours, at the size that annotation is drawn at.

    Args:
        desk: of the server.
        scene: a city.

    Returns:
        ``(height, width, 3)`` uint8.
    """
    bands = scenes.composites(scenes.describe_bands(scene, desk.readers))[0]["bands"]
    height, width = annotation.picture_size(desk.frame(scene).grid)
    with desk.readers.reading(scene.rasters["scene"]) as dataset:
        read = dataset.read(bands, out_shape=(len(bands), height, width), masked=True)
        shown = tiles.stretch_for(dataset, bands, "2-98")
    return stretched(read.data, np.asarray(~np.ma.getmaskarray(read).all(axis=0)), shown)


def brought_back(desk: Desk, scene: Scene, file: Path) -> dict[str, int]:
    """Store what an edited file changes; returns how many strokes were added and undone.

    Args:
        desk: of the server.
        scene: a city.
        file: that was edited in QGIS, Labelme or CVAT.

    Raises:
        RefusedError: if the scene is no city, or the file holds what cannot be stored.
    """
    keep_split(desk, scene)
    kept, frame = corrections_of(desk, scene), desk.frame(scene)
    strokes, read = store.shown(kept.records()), annotation.reader_of(file)
    if read is None:
        wanted = exchange.changes(file, strokes, frame, scene.table)
    else:
        wanted = annotation.changes(file, read, strokes, frame.grid, scene.table.names)
    made = [
        None if shape is None else stroke_at(desk, scene, str(uuid.uuid4()), shape, class_name, "import")
        for _, class_name, shape in wanted
    ]
    added = undone = 0
    for (old, _, _), stroke in zip(wanted, made, strict=True):
        if old is not None:
            kept.reverse(str(uuid.uuid4()), old, store.UNDO)
            undone += 1
        if stroke is not None:
            kept.add(stroke)
            added += 1
    return {"added": added, "undone": undone}
