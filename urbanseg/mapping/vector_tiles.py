"""Vector tiles for web maps: one PMTiles archive that any web server can serve, and a style for MapLibre.

GDAL cuts and simplifies the tiles of a layer. It writes one layer at a time, so each goes to
tiles of its own first; a tile of both layers is their bytes one after the other, as the
Mapbox Vector Tile format repeats its layers. The archive follows the PMTiles specification,
version 3 (https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md).
"""

import gzip
import json
import sqlite3
import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np

from urbanseg.classes import ClassTable
from urbanseg.io.files import remove
from urbanseg.mapping.styles import ROAD_WIDTHS
from urbanseg.mapping.vector_layers import write_layer

ZOOMS = 6
"""Zooms of an archive, up to the closest."""

ROOT_BYTES = 16384 - 127
"""The root directory is read in one request with the header, and may be no longer than this."""

LEAF_ENTRIES = 4096
"""Tiles of a leaf directory, where the root directory would be too long."""

GZIP, MVT = 2, 1
"""Codes of the PMTiles specification for gzip and for vector tiles."""

Tile = tuple[int, int, int]
"""Zoom, column, and row from the top."""


def write_tiles(
    path: Path,
    land_cover: gpd.GeoDataFrame,
    roads: gpd.GeoDataFrame,
    name: str,
    title: str,
    attribution: str = "",
) -> None:
    """Write the layers `land_cover` and `roads` as vector tiles.

    At the closest zoom a tile's 4096 steps are as fine as a fifth of the root of the
    smallest polygon's area; there are six zooms.

    Args:
        path: of the archive, a new file.
        land_cover: polygons; none is empty.
        roads: lines; may be empty.
        name: of the map in the archive.
        title: for people.
        attribution: that web maps show; empty for none.
    """
    step = float(np.sqrt(land_cover.area.min())) / 5
    latitude = land_cover.geometry.iloc[[0]].representative_point().to_crs(4326).y.iloc[0]
    around = 2 * np.pi * 6_378_137 * np.cos(np.radians(latitude))
    closest = int(np.clip(np.ceil(np.log2(around / (4096 * step))), ZOOMS - 1, 18))
    zooms = {"MINZOOM": str(closest - ZOOMS + 1), "MAXZOOM": str(closest)}
    tiles: dict[Tile, bytes] = {}
    described: list[dict[str, Any]] = []
    draft = path.with_suffix(".mbtiles")
    for layer, table in {"land_cover": land_cover, "roads": roads}.items():
        if len(table):
            write_layer(table, draft, layer, options={"NAME": name, **zooms})
            described += _gather(draft, tiles)
            remove(draft)
    metadata = {
        "name": name,
        "description": title,
        **({"attribution": attribution} if attribution else {}),
        "type": "overlay",
        "vector_layers": described,
    }
    bounds = land_cover.to_crs(4326).total_bounds.tolist()
    with path.open("wb") as file:
        file.writelines(archive(tiles, metadata, bounds))


def web_style(archive_name: str, classes: ClassTable, title: str, attribution: str = "") -> dict[str, Any]:
    """The style of an archive for MapLibre GL, ready for JSON; a page adds the protocol ``pmtiles``.

    Args:
        archive_name: file name of the archive, which lies beside the style.
        classes: their colours.
        title: of the map.
        attribution: as in `write_tiles`.
    """
    colors: list[Any] = ["match", ["get", "class_id"]]
    for each in classes:
        colors += [each.id, each.color]
    return {
        "version": 8,
        "name": title,
        "sources": {
            "map": {
                "type": "vector",
                "url": f"pmtiles://{archive_name}",
                **({"attribution": attribution} if attribution else {}),
            }
        },
        "layers": [
            {
                "id": "land_cover",
                "type": "fill",
                "source": "map",
                "source-layer": "land_cover",
                "paint": {"fill-color": [*colors, "#000000"], "fill-antialias": False},
            },
            *map(_road_layer, ("road_casings", "roads"), ROAD_WIDTHS),
        ],
    }  # fmt: skip


def _road_layer(name: str, drawn: tuple[str, float, float]) -> dict[str, Any]:
    """The layer of the web style that draws one of `ROAD_WIDTHS`."""
    color, share, least_mm = drawn
    least = round(least_mm * 96 / 25.4, 2)  # pixels of the screen
    near, closest = (
        ["max", least, ["*", ["get", "width_m"], share / metres]]  # about so many metres are a pixel
        for metres in (10, 10 / 32)
    )
    return {
        "id": name,
        "type": "line",
        "source": "map",
        "source-layer": "roads",
        "minzoom": 11,
        "layout": {"line-cap": "round", "line-join": "round"},
        "paint": {
            "line-color": color,
            "line-width": [
                "interpolate", ["exponential", 2], ["zoom"], 11, least / 2, 13, near, 18, closest,
            ],
        },
    }  # fmt: skip


def _gather(source: Path, tiles: dict[Tile, bytes]) -> list[dict[str, Any]]:
    """Add the tiles of an MBTiles file to `tiles`, decompressed; returns what it says of its layers."""
    with closing(sqlite3.connect(source)) as database:
        query = "SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles"
        for zoom, column, row, data in database.execute(query):
            tile = zoom, column, (1 << zoom) - 1 - row  # MBTiles count rows from below
            tiles[tile] = tiles.get(tile, b"") + gzip.decompress(data)
        [(text,)] = database.execute("SELECT value FROM metadata WHERE name = 'json'")
    layers: list[dict[str, Any]] = json.loads(text)["vector_layers"]
    return layers


def archive(
    tiles: Mapping[Tile, bytes], metadata: Mapping[str, Any], bounds: Sequence[float]
) -> Iterable[bytes]:
    """The parts of a PMTiles archive, one after the other.

    Args:
        tiles: vector tiles, not compressed; at least one.
        metadata: of the archive, ready for JSON.
        bounds: west, south, east and north in degrees.
    """
    ordered = sorted((tile_id(*tile), data) for tile, data in tiles.items())
    packed = [gzip.compress(data, mtime=0) for _, data in ordered]
    ends = np.cumsum([0, *map(len, packed)]).tolist()
    entries = [
        (number, start, end - start, 1)
        for (number, _), (start, end) in zip(ordered, pairwise(ends), strict=True)
    ]
    root, leaves = _directories(entries)
    about = gzip.compress(json.dumps(metadata, ensure_ascii=False).encode(), mtime=0)
    places = []
    offset = 127
    for length in (len(root), len(about), len(leaves), ends[-1]):
        places += [offset, length]
        offset += length
    zooms = [tile[0] for tile in tiles]
    west, south, east, north = (round(value * 1e7) for value in bounds)
    header = b"PMTiles\x03" + struct.pack(
        "<11Q6B4iB2i",
        *places, len(entries), len(entries), len(entries),
        1, GZIP, GZIP, MVT, min(zooms), max(zooms),
        west, south, east, north,
        min(zooms), (west + east) // 2, (south + north) // 2,
    )  # fmt: skip
    return [header, root, about, leaves, *packed]


def tile_id(zoom: int, column: int, row: int) -> int:
    """Number of a tile: all of coarser zooms first, then along the Hilbert curve.

    >>> [tile_id(0, 0, 0), tile_id(1, 0, 0), tile_id(1, 0, 1), tile_id(1, 1, 1), tile_id(1, 1, 0)]
    [0, 1, 2, 3, 4]

    Args:
        zoom: of the tile.
        column: from the west.
        row: from the north.
    """
    side = 1 << zoom
    number = (side * side - 1) // 3
    x, y = column, row
    while side > 1:
        side >>= 1
        right, below = int(bool(x & side)), int(bool(y & side))
        number += side * side * ((3 * right) ^ below)
        if not below:
            if right:
                x, y = (side - 1 - x) & (2 * side - 1), (side - 1 - y) & (2 * side - 1)
            x, y = y, x
    return number


def _directories(entries: Sequence[tuple[int, int, int, int]]) -> tuple[bytes, bytes]:
    """The root directory and the leaves, gzipped; entries are tile, offset, length and run."""
    root = _directory(entries)
    if len(root) <= ROOT_BYTES:
        return root, b""
    leaves, parts = [], b""
    for first in range(0, len(entries), LEAF_ENTRIES):
        part = entries[first : first + LEAF_ENTRIES]
        leaf = _directory(part)
        leaves.append((part[0][0], len(parts), len(leaf), 0))
        parts += leaf
    return _directory(leaves), parts


def _directory(entries: Sequence[tuple[int, int, int, int]]) -> bytes:
    """A directory: numbers by column, each as a variable-length integer; gzipped."""
    numbers = [number for number, *_ in entries]
    columns = [
        len(entries),
        *(after - before for before, after in pairwise([0, *numbers])),
        *(run for *_, run in entries),
        *(length for _, _, length, _ in entries),
        *(offset + 1 for _, offset, _, _ in entries),
    ]
    return gzip.compress(b"".join(map(_varint, columns)), mtime=0)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])
