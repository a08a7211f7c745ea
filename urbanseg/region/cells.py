"""The cells of a region: squares of one size on a lattice that begins at the origin of the CRS.

So a cell's place and its id depend on nothing but the CRS, the size of its pixels and its own size: a region
that is enlarged keeps the cells that it has. The zones of UTM have their origin on the equator, where the
squares of 100 km of MGRS begin, too.
"""

import re
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from urbanseg.grid import Grid

ID = re.compile(r"([ew])(\d{4,})([ns])(\d{4,})")
"""How a cell is called."""

SLACK = 1e-6
"""Share of a cell by which a shape may reach into it without needing it: what rounding makes."""


@dataclass(frozen=True, order=True)
class Cell:
    """A cell by its numbers: how many cells east and north of the origin of the CRS its corner lies."""

    row: int
    """Northwards."""
    col: int
    """Eastwards."""

    @property
    def id(self) -> str:
        """Such as ``e0020n0211``; west and south of the origin ``w`` and ``s``."""
        east = f"{'w' if self.col < 0 else 'e'}{abs(self.col):04d}"
        return f"{east}{'s' if self.row < 0 else 'n'}{abs(self.row):04d}"

    @classmethod
    def of(cls, name: str) -> "Cell":
        """The cell of an id.

        Raises:
            ValueError: if it is no id.
        """
        found = ID.fullmatch(name)
        if found is None:
            raise ValueError(f"{name!r} is no id of a cell, which reads like e0020n0211")
        across, col, up, row = found.groups()
        cell = cls(-int(row) if up == "s" else int(row), -int(col) if across == "w" else int(col))
        if cell.id != name:
            raise ValueError(f"{name!r} is not how the cell {cell.id} is called")
        return cell


@dataclass(frozen=True)
class Lattice:
    """Where the cells of a CRS lie."""

    crs: CRS
    resolution: float
    """Side of a pixel in metres."""
    size_px: int
    """Pixels along a side of a cell."""

    @property
    def side(self) -> float:
        """Side of a cell in metres."""
        return self.size_px * self.resolution

    def bounds(self, cell: Cell) -> tuple[float, float, float, float]:
        """``(left, bottom, right, top)`` of a cell in the CRS; neighbours have equal edges to the bit."""
        side = self.side
        return cell.col * side, cell.row * side, (cell.col + 1) * side, (cell.row + 1) * side

    def pixels(self, cell: Cell) -> tuple[range, range]:
        """Rows and columns of a cell's pixels, counted downwards and eastwards from the origin of the CRS."""
        top, left = -(cell.row + 1) * self.size_px, cell.col * self.size_px
        return range(top, top + self.size_px), range(left, left + self.size_px)

    def grid(self, rows: range, cols: range) -> Grid:
        """The grid of some rows and columns, counted as by `pixels`."""
        corner = Affine.translation(cols.start * self.resolution, -rows.start * self.resolution)
        scaled = corner @ Affine.scale(self.resolution, -self.resolution)
        return Grid(self.crs, scaled, len(rows), len(cols))

    def covering(self, shape: BaseGeometry) -> list[Cell]:
        """The cells that a shape in the CRS reaches into, row by row from the south.

        Args:
            shape: polygons; an edge along that of a cell does not reach into it.

        Raises:
            ValueError: if the shape has no area.
        """
        if not shape.area > 0:
            raise ValueError("a region must have an area")
        left, bottom, right, top = (edge / self.side for edge in shape.bounds)
        cols = range(int(np.floor(left + SLACK)), int(np.ceil(right - SLACK)))
        rows = range(int(np.floor(bottom + SLACK)), int(np.ceil(top - SLACK)))
        cells = [Cell(row, col) for row in rows for col in cols]
        inner = [_shrunk(self.bounds(cell), SLACK * self.side) for cell in cells]
        shapely.prepare(shape)
        meets = shapely.intersects(shape, np.array(inner, dtype=object))
        return [cell for cell, is_met in zip(cells, meets.tolist(), strict=True) if is_met]


def grown(span: range, by: int) -> range:
    """Rows or columns with so many more on either side."""
    return range(span.start - by, span.stop + by)


def within(inner: range, outer: range) -> slice:
    """Where rows or columns lie in others that hold them."""
    return slice(inner.start - outer.start, inner.stop - outer.start)


def _shrunk(bounds: tuple[float, float, float, float], by: float) -> shapely.Polygon:
    left, bottom, right, top = bounds
    return shapely.box(left + by, bottom + by, right - by, top - by)
