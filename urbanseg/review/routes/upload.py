"""Addresses of images that are brought in and mapped, and of jobs and what they make."""

import re
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse

from urbanseg.packed.registry import entries
from urbanseg.review.bodies import receive
from urbanseg.review.desk import Desk
from urbanseg.review.inspection import require_harmless, type_of
from urbanseg.review.jobs import DONE, Job, Jobs
from urbanseg.review.refusals import RefusedError, unknown
from urbanseg.review.scenes import Scene, map_scene

UPLOAD_BYTES = 2 << 30

BANDS = re.compile(r"[A-Za-z0-9_]{1,30}=\d{1,4}(,[A-Za-z0-9_]{1,30}=\d{1,4}){0,30}")
LONGEST_TITLE = 120


def upload(desk: Desk, jobs: Jobs) -> APIRouter:
    """The addresses of this module."""
    router = APIRouter()

    @router.post("/api/uploads", status_code=202)
    async def take(
        request: Request, name: str, pixel_m: float | None = None, bands: str | None = None,
        model: str | None = None, force: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        options = await run_in_threadpool(map_options, pixel_m, bands, model)
        options += ["--force"] if force else []
        number, folder = jobs.new_folder()
        try:
            await receive(request, folder / "upload", UPLOAD_BYTES)
            image = await run_in_threadpool(accepted, folder / "upload")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        commands = map_commands(image, folder, options)
        job = jobs.submit(number, "map", title_of(name), commands, pixel_m=pixel_m, scene_kind="upload")
        return jobs.told(job)

    @router.get("/api/models")
    def models() -> dict[str, Any]:
        return {"models": model_names()}

    desk.images = _with(desk.images(), jobs, desk)
    return router


def follow(jobs: Jobs) -> APIRouter:
    """The addresses of jobs."""
    router = APIRouter()

    @router.get("/api/jobs")
    def all_jobs() -> dict[str, Any]:
        return {"jobs": [jobs.told(job) for job in jobs.all()]}

    @router.get("/api/jobs/{number}")
    def one(number: str) -> dict[str, Any]:
        return jobs.told(jobs.get(number))

    @router.post("/api/jobs/{number}/cancel")
    def cancel(number: str) -> dict[str, Any]:
        return jobs.told(jobs.cancel(number))

    @router.delete("/api/jobs/{number}")
    def remove(number: str) -> dict[str, Any]:
        jobs.remove(number)
        return {"removed": number}

    @router.get("/api/jobs/{number}/log")
    def said(number: str, start: Annotated[int, Query(alias="from")] = 0) -> dict[str, Any]:
        return jobs.log(jobs.get(number), start)

    @router.get("/api/jobs/{number}/files/{name}")
    def file(number: str, name: str) -> FileResponse:
        job = jobs.get(number)
        if name not in {each["name"] for each in jobs.files(job)}:
            raise unknown("file of that name")
        # Always as a download: a report is a page of its own, which this server's address must not show.
        return FileResponse(
            jobs.place_for(job.id) / "out" / name, media_type="application/octet-stream", filename=name
        )

    return router


def accepted(path: Path) -> Path:
    """An uploaded file under the ending of what it is.

    Raises:
        RefusedError: if it is no image that is taken.
    """
    with path.open("rb") as file:
        ending = type_of(file.read(16))
    image = path.rename(path.with_name(f"image.{ending}"))
    require_harmless(image)
    return image


def map_options(pixel_m: float | None, bands: str | None, model: str | None) -> list[str]:
    """Options of ``urbanseg map`` from what a client says.

    Args:
        pixel_m: side of a pixel in metres, 0.001–10,000; None if it is not said.
        bands: such as ``red=1,green=2,blue=3``; None if it is not said.
        model: of `model_names`; None for the default of ``urbanseg map``.

    Raises:
        RefusedError: if it says nonsense; a model is one of the registry, and never a folder.
    """
    options: list[str] = []
    if pixel_m is not None:
        if not 0.001 <= pixel_m <= 10_000:
            raise RefusedError(422, "pixel_m is a number of metres above 0")
        options += [f"--pixel-m={pixel_m!r}"]
    if bands is not None:
        if not BANDS.fullmatch(bands):
            raise RefusedError(422, "bands are such as red=1,green=2,blue=3")
        options += [f"--bands={bands}"]
    if model is not None:
        if model not in (known := model_names()):
            raise RefusedError(422, f"model must be one of {', '.join(known)}")
        options += [f"--model={model}"]
    return options


def map_named(image: Path, jobs: Jobs) -> Job:
    """Queue the map of an image that lies on this machine, and was named when the server was started."""
    number, folder = jobs.new_folder()
    return jobs.submit(number, "map", image.name, map_commands(image, folder, []), scene_kind="image")


def model_names() -> list[str]:
    """Models that can be named: the project's own, and those of the registry, whose folders are known."""
    return [
        "project",
        *dict.fromkeys(name for entry in entries() for name in (entry.about.name, entry.label)),
    ]


def map_commands(image: Path, folder: Path, options: list[str]) -> list[list[str]]:
    """What maps an image into a job's folder, and makes a copy of it for its tiles.

    Args:
        image: to be mapped.
        folder: of the job.
        options: of ``urbanseg map``.

    Returns:
        The two commands, to be run one after the other.
    """
    source, place = str(image.resolve()), folder.resolve()
    return [
        [sys.executable, "-m", "urbanseg.cli", "map", source, str(place / "out"), *options],
        [sys.executable, "-m", "urbanseg.review.inspection", source, str(place / "view.tif")],
    ]


def title_of(name: str) -> str:
    """The name of a file as people read it, which never becomes a path."""
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]", "", last)[:LONGEST_TITLE] or "image"


def scene_of(job: Job, jobs: Jobs, desk: Desk) -> Scene:
    """The scene of an image that was mapped.

    Args:
        job: of the kind ``map``, and done.
        jobs: that it is one of.
        desk: whose classes count where the map names none.

    Raises:
        PipelineError: if params.yaml or the STAC Item of the map is wrong.
    """
    place = jobs.place_for(job.id)
    kind = job.about.get("scene_kind", "upload")
    return map_scene(
        job.id, job.title, kind, place / "out", place / "view.tif", desk.table(), job.about.get("pixel_m")
    )


def _with(earlier: dict[str, Scene], jobs: Jobs, desk: Desk) -> Any:
    """The scenes of jobs that are done, besides others."""
    made: dict[str, Scene] = {}

    def images() -> dict[str, Scene]:
        done = [job for job in jobs.all() if job.kind == "map" and job.state == DONE]
        for job in done:
            if job.id not in made:
                made[job.id] = scene_of(job, jobs, desk)
        return earlier | {job.id: made[job.id] for job in done}

    return images
