"""The archive in a process of its own, steered through a proxy.

It cannot live in the tests' process: GDAL holds the interpreter's lock during some
requests, so a server there could not answer them.
"""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any

from tests.protocol.scenes import nominatim, sentinel_hub, stac_api
from tests.protocol.scenes.server import Archive


class Process(BaseManager):
    """A process that holds an archive."""


def build(folder: Path) -> Archive:
    """An archive with all that it can answer; `folder` is for its COGs."""
    return Archive(folder, [*sentinel_hub.ROUTES, *stac_api.ROUTES, *nominatim.ROUTES])


Process.register("archive", build)


@contextmanager
def running(folder: Path, port: int = 0) -> Iterator[tuple[Any, str]]:
    """A proxy of an `Archive` that is served on a port, 0 for any free one; and its address."""
    with Process(ctx=multiprocessing.get_context("spawn")) as process:
        archive = process.archive(folder)
        yield archive, archive.serve(port)
