"""Who may call the server: whoever knows the token, from this machine, by its own name.

The server listens on loopback alone, but any page in the same browser can send requests there, and
a name of its own may lead there (DNS rebinding). So the host that a request names and the origin that it
comes from are compared with those of the server, and every call of ``/api/`` carries a token that only the
address printed in the terminal holds. It is a header and no cookie, which a browser would send to other
ports of the machine and along with the requests of other pages.
"""

import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; worker-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The Content Security Policy: nothing that is not a file of this server, and no script in the page."""

HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
)

BODY_BYTES = 4 << 20
"""Longest body of a call that is no upload."""

TICKET_S = 60.0
"""How long the address of a download is valid."""

TICKETS = 1000
"""Most addresses of downloads at a time."""


class Tickets:
    """Addresses of downloads that are valid once, as a link cannot send a header."""

    def __init__(self) -> None:
        self._issued: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def issue(self, path: str) -> str:
        """A ticket for one path of this server."""
        ticket = secrets.token_urlsafe(32)
        with self._lock:
            now = time.monotonic()
            self._issued = {t: held for t, held in self._issued.items() if held[1] > now}
            while len(self._issued) >= TICKETS:
                self._issued.pop(next(iter(self._issued)))
            self._issued[ticket] = (path, now + TICKET_S)
        return ticket

    def redeem(self, ticket: str, path: str) -> bool:
        """Whether a ticket was issued for a path, lately; it is void now."""
        with self._lock:
            held = self._issued.pop(ticket, None)
        return held is not None and held[0] == path and held[1] > time.monotonic()


class Access:
    """The server behind its checks, as an ASGI application.

    Args:
        app: what answers.
        token: that each call of ``/api/`` must carry.
        hosts: names with the port by which the server may be called, such as ``127.0.0.1:8000``.
        tickets: of downloads.
        uploads: paths whose bodies may be long, as they are counted where they are read.
    """

    def __init__(
        self, app: App, token: str, hosts: Iterable[str], tickets: Tickets, uploads: re.Pattern[str]
    ) -> None:
        self.app, self.token, self.tickets, self.uploads = app, token, tickets, uploads
        self.hosts = frozenset(hosts)
        self.origins = frozenset(f"http://{host}" for host in self.hosts)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        body = _Body(receive, BODY_BYTES if self._is_short(scope) else None)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["status"] = 413 if body.is_too_long else message["status"]
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        if refusal := self._refusal(scope):
            await _answer(send_with_headers, *refusal)
            return
        await self.app(scope, body.receive, send_with_headers)

    def _refusal(self, scope: Message) -> tuple[int, str] | None:
        """Status and sentence for a request that is not let in."""
        headers = _headers(scope)
        is_call = scope["path"].startswith("/api/")
        if len(headers.get(b"host", ())) != 1 or _text(headers, b"host") not in self.hosts:
            return 403, "this server answers under its own address alone; open the one in the terminal"
        if self._is_foreign(headers, is_call=is_call):
            return 403, "another page may not call this server"
        if not is_call:
            return None
        if not (self._has_token(headers) or self._has_ticket(scope)):
            return 401, "the token is missing or wrong; open the address in the terminal again"
        length = headers.get(b"content-length", [b"0"])[0]
        if self._is_short(scope) and (not length.isdigit() or int(length) > BODY_BYTES):
            return 413, f"a call may have {BODY_BYTES >> 20} MB at most"
        return None

    def _is_foreign(self, headers: dict[bytes, list[bytes]], *, is_call: bool) -> bool:
        """Whether a request comes from another page; one may have a link to this server's own."""
        if b"origin" in headers and _text(headers, b"origin") not in self.origins:
            return True
        return is_call and headers.get(b"sec-fetch-site", [b"none"])[0] in {b"cross-site", b"same-site"}

    def _has_token(self, headers: dict[bytes, list[bytes]]) -> bool:
        given = headers.get(b"authorization", [])
        return len(given) == 1 and hmac.compare_digest(given[0], b"Bearer " + self.token.encode())

    def _has_ticket(self, scope: Message) -> bool:
        query: bytes = scope["query_string"]
        if scope["method"] != "GET" or not query.startswith(b"ticket="):
            return False
        return self.tickets.redeem(query.removeprefix(b"ticket=").decode("latin-1"), scope["path"])

    def _is_short(self, scope: Message) -> bool:
        return self.uploads.fullmatch(scope["path"]) is None


class _Body:
    """The body of a call, which ends where it is too long, whatever its header says.

    Args:
        receive: of the server.
        most: bytes; None for any number.
    """

    def __init__(self, receive: Receive, most: int | None) -> None:
        self._receive, self._most, self._read = receive, most, 0

    @property
    def is_too_long(self) -> bool:
        """Whether more has come than may."""
        return self._most is not None and self._read > self._most

    async def receive(self) -> Message:
        """The next part."""
        message = await self._receive()
        self._read += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.is_too_long else message


def _headers(scope: Message) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.lower(), []).append(value)
    return found


def _text(headers: dict[bytes, list[bytes]], name: bytes) -> str:
    return headers[name][0].decode("latin-1").lower()


async def _answer(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"error": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
