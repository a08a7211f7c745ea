"""A server on loopback that answers as Sentinel Hub, a STAC API, a store of COGs and Nominatim do.

It counts what it is asked, and can be told to fail: see `Fault`. What it answers is in
`sentinel_hub`, `stac_api` and `nominatim`; here is HTTP.
"""

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from tests.protocol.scenes.world import Product


@dataclass
class Fault:
    """Something that goes wrong with requests whose path matches, `times` times after `skip` good ones.

    - ``status``: answered with `code`, `headers` and `body`
    - ``expire``: all tokens run out, so the answer is 401
    - ``stall``: no answer for `seconds`
    - ``cut``: the connection ends in the middle of the body
    - ``truncate``: half the body, as if that were all of it
    - ``html``: a page where something else was expected
    - ``nodata``: an image without data
    - ``empty``: a catalogue without products
    """

    path: str
    kind: Literal["status", "expire", "stall", "cut", "truncate", "html", "nodata", "empty"]
    times: int = 1
    skip: int = 0
    code: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: str = '{"error": {"message": "told to fail"}}'
    seconds: float = 1.0


@dataclass(frozen=True)
class Request:
    """What arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    fault: str | None
    seconds: float


@dataclass(frozen=True)
class Response:
    """What is sent."""

    body: bytes
    kind: str = "application/json"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Route = tuple[str, Callable[["Archive", Request], Response]]


CLIENT_ID, CLIENT_SECRET = "client-1f6e", "s3cr3t-9c41"
SAS_TOKEN = "sig=sas-7d20"  # noqa: S105


class Archive:
    """The state behind the server: products, tokens, faults, and what was asked."""

    def __init__(self, folder: Path, routes: Sequence[Route]) -> None:
        self.folder, self.routes = folder, routes
        self.lock = threading.Lock()
        self.url = ""
        self.reset([])

    def reset(self, products: Sequence[Product], page: int = 3, token_seconds: int = 3600) -> None:
        """Offer these products, in pages of `page`; forget tokens, faults and what was asked."""
        self.products, self.page, self.token_seconds = list(products), page, token_seconds
        self.tokens: list[str] = []
        self.sas_token = SAS_TOKEN
        self.faults: list[Fault] = []
        self.images = self.pages = ""
        self.asked: list[Request] = []

    def fail(self, path: str, kind: str, **how: object) -> None:
        """Add a fault; `path` is a regular expression."""
        self.faults.append(Fault(path, kind, **how))

    def point(self, images: str = "", pages: str = "") -> None:
        """Let hrefs of images, and the link to the next page, begin with another address."""
        self.images, self.pages = images, pages

    def count(self, path: str) -> int:
        """How many requests matched `path`."""
        return len(self.matching(path))

    def matching(self, path: str) -> list[Request]:
        """Requests that matched `path`, in order."""
        with self.lock:
            return [request for request in self.asked if re.search(path, request.path)]

    def met(self) -> list[str]:
        """Faults that requests met, in order."""
        with self.lock:
            return [request.fault for request in self.asked if request.fault]

    def issued(self) -> list[str]:
        """All tokens that were handed out and still work."""
        return [*self.tokens, self.sas_token]

    def serve(self, port: int = 0) -> str:
        """Serve on a port of loopback, 0 for any free one, until the process ends; returns the address."""
        handler = type("Bound", (Handler,), {"archive": self})
        server = Quiet(("127.0.0.1", port), handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self.url

    def due(self, path: str) -> Fault | None:
        """The fault that this request meets, used up by one."""
        with self.lock:
            for fault in self.faults:
                if re.search(fault.path, path) and fault.times:
                    if fault.skip:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def answer(self, request: Request) -> Response:
        """By the first route that matches."""
        for pattern, respond in self.routes:
            if re.fullmatch(pattern, request.path):
                return respond(self, request)
        return Response(b'{"error": "no such path"}', status=404)


class Handler(BaseHTTPRequestHandler):
    """One request: counted, failed or answered."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    archive: Archive

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        fault = self.archive.due(url.path)
        request = Request(
            self.command, url.path, query, dict(self.headers), body, fault and fault.kind, time.monotonic()
        )
        with self.archive.lock:
            self.archive.asked.append(request)
        if fault and fault.kind == "stall":
            time.sleep(fault.seconds)
            self.close_connection = True
            return
        self._send(self._spoilt(fault) or self.archive.answer(request), fault.kind if fault else None)

    def _spoilt(self, fault: Fault | None) -> Response | None:
        if fault and fault.kind == "status":
            return Response(fault.body.encode(), status=fault.code, headers=fault.headers)
        if fault and fault.kind == "expire":
            self.archive.tokens.clear()
            self.archive.sas_token += "0"
        if fault and fault.kind == "html":
            return Response(b"<html><body>Please log in to the hotel's network</body></html>", "text/html")
        return None

    def _send(self, response: Response, fault: str | None) -> None:
        body = response.body[: len(response.body) // 2] if fault == "truncate" else response.body
        self.send_response(response.status)
        self.send_header("Content-Type", response.kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault == "cut":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        self.wfile.write(body)

    do_GET = do_POST = do_HEAD = handle_any  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing: the archive keeps count."""


class Quiet(ThreadingHTTPServer):
    """Clients that hang up are part of the tests."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Nothing."""
