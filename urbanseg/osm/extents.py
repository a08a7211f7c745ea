"""Boxes in degrees: what an extract covers by its header, and boxes across the antimeridian.

A box that crosses the antimeridian has an east above 180, or a west below -180, and so
have the features that are read for it: they are where the box is, not a turn away.
"""

import bz2
import gzip
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

import osmium

from urbanseg.osm.features import Bounds

TURN = 360.0
REACH_DEGREES = 1.0
"""Boxes this close to another are near it."""
CHUNK = 1 << 16
COMPRESSED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open}
"""How to open files that begin so."""


def boxes(path: Path) -> list[Bounds]:
    """The boxes that the header of an extract says it covers; several where files were merged.

    Raises:
        OSError: if the file cannot be read.
        RuntimeError: if it is damaged.
    """
    found = _bounds(path)
    with osmium.io.Reader(path, osmium.osm.NOTHING) as reader:
        first = reader.header().box()
    if not found and first.valid():
        low, high = first.bottom_left, first.top_right
        found = [(low.lon, low.lat, high.lon, high.lat)]
    return found


def turned(longitude: float, around: Bounds) -> float:
    """A longitude, plus or minus as many turns as bring it nearest to the middle of a box."""
    return longitude + TURN * round(((around[0] + around[2]) / 2 - longitude) / TURN)


def crosses(box: Bounds | None) -> bool:
    """Whether a box reaches beyond the antimeridian, from either side."""
    return box is not None and (box[0] < -TURN / 2 or box[2] > TURN / 2)


def near(found: Sequence[Bounds], around: Bounds) -> list[Bounds]:
    """The parts of boxes near another, turned to it where the antimeridian is between them.

    Args:
        found: boxes; if none is near, they are returned as they are.
        around: a box, which may cross the antimeridian.
    """
    close = []
    for west, south, east, north in found:
        if crosses(around) and TURN / 2 < east - west < TURN:
            west, east = east, west + TURN  # noqa: PLW2901, the header of a PBF file has them in order
        for shift in (-TURN, 0.0, TURN):
            left, right = west + shift, east + shift
            close.append((left, south, right, north))
    west, south, east, north = around
    wide = west - REACH_DEGREES, south - REACH_DEGREES, east + REACH_DEGREES, north + REACH_DEGREES
    return _cut(close, wide) or list(found)


def overlaps(found: Sequence[Bounds], box: Bounds | None) -> list[Bounds]:
    """Intersections of `box` with others; `box` itself where none is known or meets it."""
    if box is None:
        return list(found)
    return _cut(found, box) or [box]


def _cut(found: Sequence[Bounds], box: Bounds) -> list[Bounds]:
    """The intersections of boxes with another that have an area."""
    cut = [
        (max(box[0], other[0]), max(box[1], other[1]), min(box[2], other[2]), min(box[3], other[3]))
        for other in found
    ]
    return [each for each in cut if each[0] < each[2] and each[1] < each[3]]


def halves(box: Bounds) -> list[Bounds]:
    """A box, or its parts on both sides of the antimeridian, with longitudes from -180 to 180."""
    west, south, east, north = box
    edge = -TURN / 2 if west < -TURN / 2 else TURN / 2
    parts = [(west, edge), (edge, east)] if west < edge < east else [(west, east)]
    shifts = [-TURN * round((low + high) / 2 / TURN) for low, high in parts]
    return [(low + by, south, high + by, north) for (low, high), by in zip(parts, shifts, strict=True)]


class _BodyError(Exception):
    """Ends the parsing where the objects begin."""


def _bounds(path: Path) -> list[Bounds]:
    """The boxes of all ``<bounds>`` of an XML file, of which libosmium tells the first alone."""
    found: list[Bounds] = []

    def element(tag: str, attributes: dict[str, str]) -> None:
        if tag in ("node", "way", "relation"):
            raise _BodyError
        if tag == "bounds" and {"minlon", "minlat", "maxlon", "maxlat"} <= set(attributes):
            west, south, east, north = (
                round(float(attributes[name]), 7) for name in ("minlon", "minlat", "maxlon", "maxlat")
            )
            if west > east:
                west, east = (west, east + TURN) if west - east > TURN / 2 else (east, west)
            found.append((west, min(south, north), east, max(south, north)))

    def stop(*_: object) -> None:
        raise _BodyError

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.StartDoctypeDeclHandler = element, stop
    with path.open("rb") as file:
        unpack = COMPRESSED.get(file.read(2), open)
    # Whatever is wrong with the file, libosmium says it better.
    with (
        suppress(_BodyError, expat.ExpatError, EOFError, zlib.error, ValueError, LookupError, OSError),
        unpack(path, "rb") as file,
    ):
        _feed(parser, file)
    return found


def _feed(parser: expat.XMLParserType, file: IO[bytes]) -> None:
    chunk = file.read(CHUNK)
    if not chunk.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \r\n\t").startswith(b"<"):
        return
    while chunk:
        parser.Parse(chunk)
        chunk = file.read(CHUNK)
