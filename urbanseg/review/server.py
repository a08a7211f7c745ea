"""The server itself: a socket on loopback, an address with a token, and the end of it."""

import ctypes
import logging
import os
import secrets
import socket
import sys
import webbrowser

import uvicorn

from urbanseg.errors import PipelineError
from urbanseg.review.app import make_app
from urbanseg.review.desk import Desk

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"

CACHE_MB = "64"
"""Blocks of rasters that GDAL keeps in memory, over all threads."""

ALLOCATION = {-8: 2, -3: 256 << 10}
"""What glibc is told, by the numbers of mallopt(3): at most two memory pools (M_ARENA_MAX), as each thread
would keep what it once needed in one of its own; and that larger arrays go back to the system at once
(M_MMAP_THRESHOLD)."""


def prepare() -> None:
    """Bound the memory of GDAL and of the allocator; called before rasters are read."""
    os.environ.setdefault("GDAL_CACHEMAX", CACHE_MB)
    if (tell := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:  # glibc alone has it
        for name, value in ALLOCATION.items():
            tell(name, value)


def listen(port: int) -> socket.socket:
    """A socket on loopback.

    Args:
        port: its port; any free one if 0.

    Raises:
        PipelineError: if another program has the port.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((LOOPBACK, port))
        made.listen(128)  # who has read the address may connect
    except (OSError, OverflowError) as error:
        made.close()
        raise PipelineError(
            f"port {port} of this machine cannot be taken ({error}); name another with --port"
        ) from error
    return made


def serve(desk: Desk, port: int, *, browse: bool) -> None:
    """Answer until the program is stopped.

    Args:
        desk: what is shown.
        port: to listen on; any free one if 0.
        browse: whether a browser is opened.
    """
    with listen(port) as opened:
        number = opened.getsockname()[1]
        token = secrets.token_urlsafe(32)
        address = f"http://{LOOPBACK}:{number}/#token={token}"
        # Signals end the program as they do all verbs; what is stored is complete at any time.
        settings = uvicorn.Config(
            make_app(desk, token, number), log_level="warning", access_log=False, server_header=False,
            lifespan="on", ws="none", timeout_graceful_shutdown=2,
        )  # fmt: skip
        print(address, flush=True)
        log.info("the review desk is open at that address, for this machine alone; Ctrl-C ends it")
        if browse and sys.stdout.isatty():
            webbrowser.open(address)
        uvicorn.Server(settings).run(sockets=[opened])
