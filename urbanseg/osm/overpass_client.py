"""osmnx as a client of an Overpass server, with retries: https://dev.overpass-api.de/overpass-doc/en.

osmnx waits for a free slot of the server, sends the query, and caches the response in a
folder, so that an interrupted run requests only what is missing. It would also accept a
response that the server itself calls incomplete (a `remark`), and wait without end for a
busy server; a hook on each response turns both into a limited number of attempts.
"""

import json
import logging
import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import osmnx
import requests
from osmnx._errors import CacheOnlyInterruptError

from urbanseg.config.labels import OverpassOsm
from urbanseg.errors import PipelineError
from urbanseg.io.files import remove
from urbanseg.osm.features import Bounds
from urbanseg.redact import excerpt, redact

log = logging.getLogger(__name__)

T = TypeVar("T")
FIRST_WAIT_S = 2.0
"""Wait before the second attempt; it doubles with each further one."""
MAX_WAIT_S = 120.0
BUSY = {429: "has too many requests from here", 504: "is too busy"}


class Refusal(Exception):  # noqa: N818, not an error until the last attempt
    """An unusable response: why, how long to wait, and whether it is final or worth a retry; redacted."""

    def __init__(self, reason: str, wait_s: float | None = None, *, final: bool = False) -> None:
        super().__init__(redact(reason))
        self.wait_s, self.final = wait_s, final


class Client:
    """Queries a server for the elements in boxes; made by `connected`."""

    def __init__(self, server: OverpassOsm, moment: str | None, cache: Path) -> None:
        self.server, self.moment, self.cache = server, moment, cache
        self.is_checked = False

    def query(self, box: Bounds, tags: dict[str, Any]) -> Path:
        """Query all elements that have any of `tags` in a box.

        Args:
            box: west, south, east, north in degrees.
            tags: in the form of osmnx: a list of values for each key, or True for any.

        Returns:
            The response, as a JSON file in the cache.

        Raises:
            PipelineError: if the server refuses, or gives no complete response in
                `server.attempts` attempts.
        """
        key = [self.server.address, self.moment, box, tags]
        folder = self.cache / sha256(json.dumps(key).encode()).hexdigest()[:20]
        self._with_retries(lambda: self._fetch(box, tags, folder))
        (answer,) = folder.glob("*.json")
        return answer

    def _fetch(self, box: Bounds, tags: dict[str, Any], folder: Path) -> None:
        if not self.is_checked and not folder.exists():
            self._check_status()
        osmnx.settings.cache_folder = folder
        try:
            with suppress(CacheOnlyInterruptError):
                osmnx.features_from_bbox(box, tags)
        except requests.JSONDecodeError:
            raise
        except json.JSONDecodeError as error:
            remove(folder)
            raise Refusal("left an answer that a broken run did not write to its end", 0) from error

    def _check_status(self) -> None:
        """Check that the server can be reached, and whether it has a status page with its free slots.

        Without one, osmnx would wait a minute before each query.
        """
        status = requests.get(f"{self.server.address}/status", timeout=self.server.timeout_s)
        osmnx.settings.overpass_rate_limit = self.server.rate_limit and status.ok
        self.is_checked = True

    def _with_retries(self, request: Callable[[], T]) -> T:
        """What `request` returns, after at most `server.attempts` attempts."""
        server, attempt = self.server, 0
        while True:
            attempt += 1
            try:
                return request()
            except Refusal as refusal:
                reason, wait, final = str(refusal), refusal.wait_s, refusal.final
            except requests.RequestException as error:
                reason, wait, final = _network_failure(error, server.timeout_s), None, False
            if final:
                raise PipelineError(f"{server.address} {reason}; correct cities.<city>.osm in params.yaml")
            if attempt >= server.attempts:
                raise PipelineError(
                    f"{server.address} {reason}, {attempt} times in a row; what was fetched so far is kept: "
                    "run again later, make osm.max_query_km2 smaller, or take another address"
                )
            wait = min(FIRST_WAIT_S * 2 ** (attempt - 1) if wait is None else wait, MAX_WAIT_S)
            log.warning(
                "%s %s; attempt %d of %d in %.0f s",
                server.address,
                reason,
                attempt + 1,
                server.attempts,
                wait,
            )
            time.sleep(wait)


@contextmanager
def connected(server: OverpassOsm, moment: str | None, cache: Path) -> Iterator[Client]:
    """Open a client of a server.

    The settings of osmnx are global; they are as before when the context ends.

    Args:
        server: address, limits, time-out and number of attempts.
        moment: date of the state to query; None for that of today.
        cache: folder of responses.

    Yields:
        The client.
    """
    date = f'[date:"{moment}"]' if moment else ""
    chosen = {
        "overpass_url": server.address,
        "overpass_settings": f"[out:json][timeout:{{timeout}}]{{maxsize}}{date}",
        "overpass_rate_limit": server.rate_limit,
        "max_query_area_size": math.inf,
        "requests_timeout": server.timeout_s,
        "requests_kwargs": {"hooks": {"response": _check}},
        "doh_url_template": None,
        "use_cache": True,
        "cache_only_mode": True,
        "cache_folder": cache,
    }
    before = {name: getattr(osmnx.settings, name) for name in chosen}
    try:
        for name, value in chosen.items():
            setattr(osmnx.settings, name, value)
        yield Client(server, moment, cache)
    finally:
        for name, value in before.items():
            setattr(osmnx.settings, name, value)


def _check(response: requests.Response, *_: Any, **__: Any) -> None:
    """Refuse responses that osmnx would accept, or for which it would wait without end.

    Raises:
        Refusal: if the server is busy or fails, or its response is no JSON or is incomplete.
    """
    if response.is_redirect or response.request.method != "POST":
        return
    status = response.status_code
    if status in BUSY or status >= 500:
        response.close()
        raise Refusal(f"{BUSY.get(status, 'is out of order')} (HTTP {status})", _retry_after(response))
    if not response.ok:
        raise Refusal(f"refuses the query (HTTP {status}: {_excerpt(response.text)})", final=True)
    try:
        answer = response.json()
    except requests.JSONDecodeError as error:
        kind = response.headers.get("Content-Type", "no content type")
        raise Refusal(f"did not answer in JSON but in {kind}: {_excerpt(response.text)}") from error
    if not isinstance(answer, dict) or "elements" not in answer:
        raise Refusal("answered in JSON, but without elements")
    if "error" in answer.get("remark", ""):
        raise Refusal(f"gave an incomplete answer ({excerpt(str(answer['remark']))})")


def _retry_after(response: requests.Response) -> float | None:
    """Seconds that the server asks us to wait: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after."""
    text = response.headers.get("Retry-After", "")
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _excerpt(page: str) -> str:
    """The beginning of the text of an HTML page."""
    return excerpt(re.sub(r"<[^>]*>", " ", page), length=120) or "an empty page"


def _network_failure(error: requests.RequestException, timeout_s: float) -> str:
    if isinstance(error, requests.Timeout):
        return f"gave no answer within {timeout_s:g} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return "cut the connection in the middle of an answer"
    return "cannot be reached, or cut the connection"
