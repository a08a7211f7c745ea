"""The application: the addresses, what errors become, and the files of the page."""

import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from urbanseg import paths
from urbanseg.errors import PipelineError, of_system
from urbanseg.review.access import Access, App, Tickets
from urbanseg.review.desk import Desk
from urbanseg.review.jobs import Jobs
from urbanseg.review.layers import classes
from urbanseg.review.refusals import RefusedError
from urbanseg.review.routes.check import check
from urbanseg.review.routes.correct import correct
from urbanseg.review.routes.decide import decide
from urbanseg.review.routes.exchange import exchange_files
from urbanseg.review.routes.pictures import raster_tiles, vector_tiles
from urbanseg.review.routes.queue import queue
from urbanseg.review.routes.see import see
from urbanseg.review.routes.teach import teach, why_not
from urbanseg.review.routes.upload import follow, map_named, upload

log = logging.getLogger(__name__)

UPLOADS = re.compile(r"/api/(uploads|scenes/[^/]+/corrections\.gpkg)")
"""Paths whose bodies may be long: they are counted where they are read."""

CAN = ["see", "correct", "upload", "thresholds", "classes", "retrain", "suggest", "check"]
"""What the page offers."""

THREADS = 8
"""Requests that are answered at a time; the others wait."""


def make_app(desk: Desk, token: str, port: int) -> App:
    """The server of a desk.

    Args:
        desk: what it shows.
        token: that calls must carry.
        port: that it listens on.
    """
    tickets = Tickets()
    # No documentation: its page would fetch scripts from elsewhere.
    jobs = Jobs(desk.root / paths.REVIEW / "jobs", desk.root)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=_lifespan(desk, jobs))
    _handle_errors(app)

    @app.get("/api/project")
    def project() -> dict[str, Any]:
        listed = [{"id": s.id, "title": s.title, "kind": s.kind} for s in desk.scenes().values()]
        opened = desk.opened or (listed[0]["id"] if listed else None)
        return {
            "user": desk.user, "scenes": listed, "open": opened, "classes": classes(desk.table()),
            "ignore": 255, "can": CAN, "retrain": why_not(desk),
        }  # fmt: skip

    @app.post("/api/tickets")
    def ticket(asked: dict[str, str]) -> dict[str, str]:
        path = asked.get("path", "")
        if not path.startswith("/api/") or "?" in path:
            raise RefusedError(422, "path is that of a download, such as /api/jobs/ID/files/map.gpkg")
        return {"url": f"{path}?ticket={tickets.issue(path)}"}

    for addresses in (see, raster_tiles, vector_tiles, decide, correct, exchange_files, queue, check):
        app.include_router(addresses(desk))
    app.include_router(upload(desk, jobs))
    app.include_router(follow(jobs))
    app.include_router(teach(desk, jobs))

    @app.api_route("/api/{rest:path}", methods=["GET", "POST", "PUT", "DELETE"])
    def nothing(rest: str) -> None:  # noqa: ARG001, the path
        raise RefusedError(404, "there is nothing under this address")

    page = Path(str(resources("urbanseg.review") / "page"))
    if page.is_dir():
        app.mount("/", StaticFiles(directory=page, html=True))
    hosts = [f"{name}:{port}" for name in ("127.0.0.1", "localhost")]
    return Access(app, token, hosts, tickets, UPLOADS)


def _lifespan(desk: Desk, jobs: Jobs) -> Any:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        jobs.start()
        if desk.image is not None:
            desk.opened = map_named(desk.image, jobs).id
        yield
        jobs.close()
        desk.readers.close()

    return lifespan


def _handle_errors(app: FastAPI) -> None:
    """Make every error a sentence."""

    @app.exception_handler(RefusedError)
    def refused(_: Request, error: RefusedError) -> JSONResponse:
        return _sentence(error.status, error.sentence)

    @app.exception_handler(PipelineError)
    def failed(_: Request, error: PipelineError) -> JSONResponse:
        return _sentence(422, str(error))

    @app.exception_handler(RequestValidationError)
    def wrong(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return _sentence(422, f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg'].lower()}")

    @app.exception_handler(ClientDisconnect)
    def too_long(_: Request, __: ClientDisconnect) -> JSONResponse:
        return _sentence(413, "the call was longer than a call may be, or its sender is gone")

    @app.exception_handler(HTTPException)
    def http(_: Request, error: HTTPException) -> JSONResponse:
        return _sentence(error.status_code, str(error.detail).lower())

    @app.exception_handler(Exception)
    def broken(_: Request, error: Exception) -> JSONResponse:
        if (sentence := of_system(error)) is not None:
            return _sentence(507, sentence)
        log.error("a request failed", exc_info=error)
        return _sentence(500, "the server failed; what it printed in the terminal says why")


def _sentence(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status)
