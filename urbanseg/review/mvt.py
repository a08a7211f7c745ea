"""Mapbox Vector Tiles: geometries in the coordinates of a tile, and their attributes, as bytes.

The format is version 2.1 of https://github.com/mapbox/vector-tile-spec, in Protocol Buffers. A tile has
thousands of corners, so the commands of all its geometries are computed as arrays.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

EXTENT = 4096
"""Steps of a tile's side."""

LINE, POLYGON = 2, 3
"""Codes of the specification for kinds of geometry."""

MOVE, DRAW, CLOSE = 1, 2, 7
"""Codes of the specification for the commands of a geometry."""

Value = str | int | float
Numbers = NDArray[np.int64]


class Rings(NamedTuple):
    """Rings or lines one after the other.

    Attributes:
        places: their corners, ``(corners, 2)``.
        starts: the first corner of each.
        counts: corners of each.
        owners: place of the shape that each belongs to, rising.
    """

    places: Numbers
    starts: Numbers
    counts: Numbers
    owners: Numbers


def layer(name: str, shapes: Any, numbers: Sequence[int], rows: Sequence[Mapping[str, Value]]) -> bytes:
    """A tile with one layer.

    Args:
        name: of the layer.
        shapes: ``(n,)`` array of polygons, or of lines, in steps of the tile (x to the right, y down); what
            has no extent is left out.
        numbers: ids of the features.
        rows: their attributes.
    """
    keys: dict[str, int] = {}
    values: dict[tuple[type, Value], int] = {}
    body = [_field(15, varint=2), _field(1, name.encode())]
    is_area = bool((shapely.get_dimensions(shapes) == 2).any())
    for place, commands in geometries(shapes, is_area=is_area).items():
        tags: list[int] = []
        for key, value in rows[place].items():
            tags.append(keys.setdefault(key, len(keys)))
            tags.append(values.setdefault((type(value), value), len(values)))
        made = (
            _field(1, varint=numbers[place])
            + _field(2, b"".join(map(_varint, tags)))
            + _field(3, varint=POLYGON if is_area else LINE)
            + _field(4, commands)
        )
        body.append(_field(2, made))
    body += [_field(3, key.encode()) for key in keys]
    body += [_field(4, _value(value)) for _, value in values]
    body.append(_field(5, varint=EXTENT))
    return _field(3, b"".join(body))


def geometries(shapes: Any, *, is_area: bool) -> dict[int, bytes]:
    """The commands of each shape that has an extent, by its place in the array.

    Args:
        shapes: ``(n,)`` array of polygons or lines, in steps of a tile; parts of other kinds are left out.
        is_area: whether polygons are wanted.
    """
    rings = _rings(shapes, is_area=is_area)
    if not len(rings.starts):
        return {}
    stream, starts = _commands(rings, is_closed=is_area)
    data, ends = _varints(stream)
    first = np.flatnonzero(np.diff(rings.owners, prepend=-1))
    cuts = [*np.concatenate([[0], ends])[starts[first]].tolist(), len(data)]
    owners = rings.owners[first].tolist()
    return {owner: data[cuts[i] : cuts[i + 1]] for i, owner in enumerate(owners)}


def _rings(shapes: Any, *, is_area: bool) -> Rings:
    """Rings of polygons, wound as the specification wants them and not closed; or lines. In whole steps."""
    parts, owners = shapely.get_parts(shapes, return_index=True)
    fits = (shapely.get_dimensions(parts) == 1 + is_area) & ~shapely.is_empty(parts)
    parts, owners = parts[fits], owners[fits]
    part_of = np.arange(len(parts))
    if is_area:
        parts, part_of = shapely.get_rings(parts, return_index=True)
    found, ring_of = shapely.get_coordinates(parts, return_index=True)
    places = np.rint(found).astype(np.int64)
    kept = _moved(places, ring_of, is_area=is_area)
    places, ring_of = places[kept], ring_of[kept]
    counts = np.bincount(ring_of, minlength=len(parts))
    is_hole, has_extent = np.diff(part_of, prepend=-1) == 0, counts >= 2 + is_area
    # a hole goes with the outline that it is in
    outlines = np.flatnonzero(~is_hole)
    has_extent &= has_extent[outlines][np.cumsum(~is_hole) - 1]
    places, counts, is_hole = places[has_extent[ring_of]], counts[has_extent], is_hole[has_extent]
    rings = Rings(places, np.cumsum(counts) - counts, counts, owners[part_of][has_extent])
    return _wound(rings, is_hole) if is_area else rings


def _moved(places: Numbers, ring_of: Numbers, *, is_area: bool) -> NDArray[np.bool_]:
    """Which corners differ from their neighbour; not the last of a ring, which is its first."""
    if not len(places):
        return np.zeros(0, bool)
    changes, is_same = (np.diff(places, axis=0) != 0).any(axis=1), np.diff(ring_of) == 0
    return np.append(changes & is_same, False) if is_area else np.append(True, changes | ~is_same)


def _wound(rings: Rings, is_hole: NDArray[np.bool_]) -> Rings:
    """Rings that turn clockwise on the screen outside, and the other way inside."""
    if not len(rings.starts):
        return rings
    ring_of = np.repeat(np.arange(len(rings.counts)), rings.counts)
    at = np.arange(len(rings.places)) - rings.starts[ring_of]
    following = rings.places[rings.starts[ring_of] + (at + 1) % rings.counts[ring_of]]
    (x, y), (u, v) = rings.places.T, following.T
    twice_area = np.add.reduceat(x * v - u * y, rings.starts)  # by the surveyor's formula; y down
    is_wrong = ((twice_area > 0) == is_hole)[ring_of]
    turned = np.where(is_wrong, rings.counts[ring_of] - 1 - at, at)
    return rings._replace(places=rings.places[rings.starts[ring_of] + turned])


def _commands(rings: Rings, *, is_closed: bool) -> tuple[Numbers, Numbers]:
    """The numbers of all commands one after the other, and where those of each ring start."""
    is_first = np.diff(rings.owners, prepend=-1) != 0
    before = np.vstack([np.zeros((1, 2), np.int64), rings.places[:-1]])
    before[rings.starts[is_first]] = 0  # each feature starts at the corner of the tile
    steps = _zigzag(rings.places - before)
    lengths = 2 * rings.counts + 2 + is_closed
    starts = np.cumsum(lengths) - lengths
    stream = np.empty(int(lengths.sum()), np.int64)
    stream[starts] = MOVE | 1 << 3
    stream[starts + 3] = DRAW | (rings.counts - 1) << 3
    if is_closed:
        stream[starts + lengths - 1] = CLOSE | 1 << 3
    ring_of = np.repeat(np.arange(len(rings.counts)), rings.counts)
    at = np.arange(len(rings.places)) - rings.starts[ring_of]
    offsets = starts[ring_of] + 1 + 2 * at + (at > 0)  # behind the first step comes the command to draw
    stream[offsets], stream[offsets + 1] = steps.T
    return stream, starts


def _zigzag(numbers: Numbers) -> Numbers:
    """Whole numbers as ones that are not negative, small where those are."""
    return np.asarray((numbers << 1) ^ (numbers >> 63))


def _varints(numbers: Numbers) -> tuple[bytes, Numbers]:
    """Numbers as `_varint` writes them, and where each ends."""
    lengths = np.ones(len(numbers), np.int64)
    for bits in range(7, 63, 7):
        lengths += numbers >> bits > 0
    ends = np.cumsum(lengths)
    data = np.empty(int(ends[-1]), np.uint8)
    for place in range(int(lengths.max())):
        has = lengths > place
        part = numbers[has] >> 7 * place & 0x7F | np.where(lengths[has] > place + 1, 0x80, 0)
        data[(ends - lengths)[has] + place] = part
    return data.tobytes(), ends


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        return _field(1, value.encode())
    if isinstance(value, int):
        return _field(6, varint=int(_zigzag(np.array(value))))
    return _varint(3 << 3 | 1) + struct.pack("<d", value)


def _field(number: int, data: bytes | None = None, varint: int = 0) -> bytes:
    """A field of Protocol Buffers: bytes with their length, or a number."""
    if data is None:
        return _varint(number << 3) + _varint(varint)
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    if value < 0x80:
        return bytes((value,))
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)
