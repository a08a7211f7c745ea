"""An Overpass server on loopback that answers the queries osmnx sends, from a real extract.

It knows the part of the query language that osmnx uses: a union of ``(kind['key'='value']
(poly:'…');(._;>;););`` with its settings. A date is answered by the objects that were last
edited before it. What it has been asked is counted, and faults can be put in its way.
"""

import json
import re
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import osmium
import shapely

COMPONENT = re.compile(
    r"\((?P<kind>node|way|relation)\['(?P<key>[^']+)'(?:='(?P<value>[^']*)')?\]"
    r"\(poly:'(?P<poly>[^']+)'\);\(\._;>;\);\);"
)
QUERY = re.compile(r"(?P<settings>(\[[^\]]*\])+);\((?P<components>.*)\);out;")
STATE = "2020-01-01T00:00:00Z"
"""What the server calls today: no object of the extract is younger."""

STRETCHES = 10**11
"""Numbers of ways from here on are the server's own."""

Key = tuple[str, int]


class Database:
    """Nodes, ways and relations, found by tag and place.

    A server holds whole ways, so each stretch of known nodes of a way that the extract
    cuts is a way of its own; all but the first have numbers from `STRETCHES` on.
    """

    def __init__(self, elements: Iterable[dict[str, Any]]) -> None:
        self.elements: dict[Key, dict[str, Any]] = {(e["type"], e["id"]): e for e in elements}
        self.shapes = {key: shape for key in self.elements if (shape := self._shape(key)) is not None}
        self.tagged: dict[tuple[str, str], list[Key]] = {}
        for key, element in self.elements.items():
            for tag in element["tags"]:
                self.tagged.setdefault((key[0], tag), []).append(key)

    @classmethod
    def read(cls, path: Path) -> "Database":
        """All that an OpenStreetMap file holds."""
        elements: list[dict[str, Any]] = []
        known: set[int] = set()
        for thing in osmium.FileProcessor(path):
            about = {
                "type": _kind(thing),
                "id": thing.id,
                "tags": dict(thing.tags),
                "edited": thing.timestamp,
            }
            if thing.is_node():
                known.add(thing.id)
                elements.append(about | {"lat": thing.lat, "lon": thing.lon})
            elif thing.is_way():
                for number, nodes in enumerate(_stretches([n.ref for n in thing.nodes], known)):
                    stretch = {"id": thing.id if number == 0 else STRETCHES + len(elements), "nodes": nodes}
                    elements.append(about | stretch)
            else:
                kinds = {"n": "node", "w": "way", "r": "relation"}
                members = [{"type": kinds[m.type], "ref": m.ref, "role": m.role} for m in thing.members]
                elements.append(about | {"members": members})
        return cls(elements)

    def at(self, date: str) -> "Database":
        """The objects that were last edited before a date."""
        return Database(e for e in self.elements.values() if f"{e['edited']:%Y-%m-%dT%H:%M:%SZ}" <= date)

    def find(self, kind: str, key: str, value: str | None, area: shapely.Polygon) -> set[Key]:
        """Objects with a tag that meet an area, and what they consist of."""
        found = {
            name
            for name in self.tagged.get((kind, key), [])
            if value in (None, self.elements[name]["tags"][key])
            and name in self.shapes
            and shapely.intersects(area, self.shapes[name])
        }
        return found | {part for name in found for part in self._down(name)}

    def _down(self, key: Key) -> Iterator[Key]:
        """The ways and nodes that an object consists of."""
        element = self.elements.get(key, {})
        for node in element.get("nodes", []):
            yield ("node", node)
        for member in element.get("members", []):
            if member["type"] != "relation":
                yield (member["type"], member["ref"])
                yield from self._down((member["type"], member["ref"]))

    def _shape(self, key: Key) -> Any:
        element = self.elements[key]
        if key[0] == "node":
            return shapely.Point(element["lon"], element["lat"])
        if key[0] == "way":
            nodes = [self.elements[n] for ref in element["nodes"] if (n := ("node", ref)) in self.elements]
            return shapely.LineString([(n["lon"], n["lat"]) for n in nodes]) if len(nodes) > 1 else None
        ways = [(m["type"], m["ref"]) for m in element["members"] if m["type"] == "way"]
        return shapely.MultiLineString(
            [shape for way in ways if way in self.elements and (shape := self._shape(way)) is not None]
        )


@dataclass
class Fault:
    """What goes wrong with one answer: its status, its body, when it comes, and where it ends."""

    status: int = 200
    body: bytes | None = None
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut: bool = False


class Overpass(ThreadingHTTPServer):
    """The server; `faults` befall the next queries in turn, None lets one pass."""

    daemon_threads = True

    def __init__(self, database: Database) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.database = database
        self.states: dict[str, Database] = {}
        self.faults: deque[Fault | None] = deque()
        self.queries: list[str] = []
        self.answered: list[str] = []
        self.status_requests = 0

    @property
    def address(self) -> str:
        """What one gives as `osm.address`."""
        return f"http://127.0.0.1:{self.server_port}/api"

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that hang up."""

    def answer(self, query: str) -> bytes:
        """The JSON that a query gets.

        Raises:
            ValueError: if this is no query as osmnx sends them.
        """
        match = QUERY.fullmatch(query)
        if match is None:
            raise ValueError("parse error: Unknown query")
        date = re.search(r'\[date:"([^"]+)"\]', match["settings"])
        database, state = self.database, STATE
        if date:
            state = date[1]
            database = self.states.setdefault(state, self.database.at(state))
        found: set[Key] = set()
        for part in COMPONENT.finditer(match["components"]):
            numbers = [float(number) for number in part["poly"].split()]
            area = shapely.Polygon(list(zip(numbers[1::2], numbers[::2], strict=True)))
            found |= database.find(part["kind"], part["key"], part["value"], area)
        order = {"node": 0, "way": 1, "relation": 2}
        elements = [
            {
                name: value
                for name, value in database.elements[key].items()
                if name != "edited" and value != {}
            }
            for key in sorted(found & database.elements.keys(), key=lambda key: (order[key[0]], key[1]))
        ]
        about = {"timestamp_osm_base": state, "copyright": "© OpenStreetMap contributors, ODbL"}
        return json.dumps(
            {"version": 0.6, "generator": "loopback", "osm3s": about, "elements": elements}
        ).encode()


class _Handler(BaseHTTPRequestHandler):
    server: Overpass
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.status_requests += 1
        text = (
            "Connected as: 1\nCurrent time: 2020-01-01T00:00:00Z\nAnnounced endpoint: none\n"
            "Rate limit: 2\n2 slots available now.\nCurrently running queries (pid, space limit, …):\n"
        )
        self._send(Fault(body=text.encode(), kind="text/plain"))

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        query = parse_qs(form)["data"][0]
        self.server.queries.append(query)
        fault = (self.server.faults.popleft() if self.server.faults else None) or Fault()
        time.sleep(fault.delay_s)
        try:
            body = self.server.answer(query) if fault.body is None else fault.body
        except ValueError as error:
            return self._send(Fault(400, f"<p><strong>Error</strong>: {error}</p>".encode(), "text/html"))
        if fault == Fault():
            self.server.answered.append(query)
        return self._send(Fault(fault.status, body, fault.kind, fault.headers, cut=fault.cut))

    def _send(self, answer: Fault) -> None:
        body = answer.body or b""
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if answer.cut else body)
        if answer.cut:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(database: Database) -> Iterator[Overpass]:
    """A server in a thread of its own, as long as the context lasts."""
    with Overpass(database) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def _kind(thing: Any) -> str:
    return "node" if thing.is_node() else "way" if thing.is_way() else "relation"


def _stretches(refs: Sequence[int], known: set[int]) -> list[list[int]]:
    """The stretches of at least two known nodes."""
    runs = [list(run) for is_known, run in groupby(refs, known.__contains__) if is_known]
    return [run for run in runs if len(run) > 1]
