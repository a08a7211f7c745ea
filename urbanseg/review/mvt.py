"""Mapbox Vector Tiles: geometries in the coordinates of a tile, and their attributes, as bytes.

The format is version 2.1 of https://github.com/mapbox/vector-tile-spec, in Protocol Buffers.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

EXTENT = 4096
"""Steps of a tile's side."""

POINT, LINE, POLYGON = 1, 2, 3
"""Codes of the specification for kinds of geometry."""

MOVE, DRAW, CLOSE = 1, 2, 7
"""Codes of the specification for the commands of a geometry."""

Value = str | int | float


def layer(name: str, features: Iterable[tuple[int, Any, Mapping[str, Value]]]) -> bytes:
    """A tile with one layer.

    Args:
        name: of the layer.
        features: number, geometry in steps of the tile (x to the right, y down), and attributes.
    """
    keys: dict[str, int] = {}
    values: dict[tuple[type, Value], int] = {}
    body = [_field(15, varint=2), _field(1, name.encode())]
    for number, shape, attributes in features:
        kind, commands = _commands(shape)
        if not commands:
            continue
        tags: list[int] = []
        for key, value in attributes.items():
            tags.append(keys.setdefault(key, len(keys)))
            tags.append(values.setdefault((type(value), value), len(values)))
        made = (
            _field(1, varint=number)
            + _field(2, _packed(tags))
            + _field(3, varint=kind)
            + _field(4, _packed(commands))
        )
        body.append(_field(2, made))
    body += [_field(3, key.encode()) for key in keys]
    body += [_field(4, _value(value)) for _, value in values]
    body.append(_field(5, varint=EXTENT))
    return _field(3, b"".join(body))


def _commands(shape: Any) -> tuple[int, list[int]]:
    """Kind of a geometry, and its commands; none of one without an extent."""
    parts = [part for part in shapely.get_parts([shape]) if not part.is_empty]
    if not parts:
        return 0, []
    dimension = int(shapely.get_dimensions(parts[0]))
    parts = [part for part in parts if shapely.get_dimensions(part) == dimension]
    at = np.zeros(2, np.int64)
    commands: list[int] = []
    if dimension == 2:
        for part in parts:
            for number, ring in enumerate((part.exterior, *part.interiors)):
                places = _steps(ring)[:-1]
                # The specification's rings turn clockwise on the screen outside, and the other way inside.
                if len(places) > 2 and (_area(places) > 0) == (number > 0):
                    places = places[::-1]
                at = _draw(commands, places, at, closed=True)
        return POLYGON, commands
    if dimension == 1:
        for part in parts:
            at = _draw(commands, _steps(part), at, closed=False)
        return LINE, commands
    places = np.concatenate([_steps(part) for part in parts])
    commands += [
        MOVE | len(places) << 3,
        *_zigzag(np.diff(places, axis=0, prepend=at[np.newaxis])).ravel().tolist(),
    ]
    return POINT, commands


def _steps(shape: Any) -> NDArray[np.int64]:
    """Coordinates in whole steps, without those that repeat the one before."""
    places = np.rint(shapely.get_coordinates(shape)).astype(np.int64)
    moved = np.ones(len(places), bool)
    moved[1:] = (np.diff(places, axis=0) != 0).any(axis=1)
    return places[moved]


def _area(places: NDArray[np.int64]) -> float:
    """Twice the area by the surveyor's formula; y down, so positive is clockwise on the screen."""
    x, y = places.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())


def _draw(
    commands: list[int], places: NDArray[np.int64], at: NDArray[np.int64], *, closed: bool
) -> NDArray[np.int64]:
    """Add a line or a ring, and return where it ends; nothing where it has no extent."""
    if len(places) < 2 + closed:
        return at
    steps = _zigzag(np.diff(places, axis=0, prepend=at[np.newaxis])).tolist()
    commands += [MOVE | 1 << 3, *steps[0], DRAW | (len(places) - 1) << 3]
    for step in steps[1:]:
        commands += step
    if closed:
        commands.append(CLOSE | 1 << 3)
    return np.asarray(places[-1])


def _zigzag(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole numbers as ones that are not negative, small where those are."""
    return np.asarray((numbers << 1) ^ (numbers >> 63))


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


def _packed(numbers: Sequence[int]) -> bytes:
    return b"".join(map(_varint, numbers))


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
