"""Corrections that people drew in the review desk: a log of records, and what of it is in effect.

The file is a GeoPackage whose table `corrections` is only ever added to. A record adds a shape of a class,
or undoes or redoes one that was added. Later shapes lie on top of earlier ones.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.features import rasterize

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.config.labels import IGNORE_NAME
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.io import vector_files
from urbanseg.labels.layers import HIDDEN, LabelArray, Labeller

LAYER = "corrections"
COLUMNS = ("id", "action", "of", "class")
ADD, UNDO, REDO = "add", "undo", "redo"


class Entry(NamedTuple):
    """What a record says of being in effect: its name, what it does, and to which."""

    id: str
    action: str
    of: str | None


def in_effect(entries: Iterable[Entry]) -> list[int]:
    """Positions of the shapes that are in effect, in the order in which they lie on each other.

    Args:
        entries: of all records, oldest first.
    """
    added: dict[str, int] = {}
    undone: set[str] = set()
    for number, entry in enumerate(entries):
        if entry.action == ADD:
            added[entry.id] = number
        elif entry.action == UNDO and entry.of is not None:
            undone.add(entry.of)
        elif entry.of is not None:
            undone.discard(entry.of)
    return [number for name, number in added.items() if name not in undone]


def read(path: Path) -> tuple[list[str], NDArray[np.object_]]:
    """The shapes that are in effect, oldest first: class of each, and geometry in the scene's CRS.

    Raises:
        PipelineError: if the file is missing or holds no corrections.
    """
    if not path.exists():
        raise PipelineError(
            f"{path} does not exist; draw corrections with urbanseg review, or restore the file"
        )
    try:
        vector_files.require_plain(path)
        frame = pyogrio.read_dataframe(path, layer=LAYER, columns=list(COLUMNS))
        entries = [
            Entry(str(r.id), str(r.action), None if r.of is None else str(r.of)) for r in frame.itertuples()
        ]
    except (DataLayerError, DataSourceError, AttributeError, ValueError) as error:
        raise PipelineError(f"{path} holds no corrections that urbanseg review stored ({error})") from error
    kept = frame.iloc[in_effect(entries)]
    return kept["class"].astype(str).tolist(), kept.geometry.to_numpy()


def corrected(path: Path, grid: Grid, classes: ClassTable) -> Labeller:
    """The labels of corrections; `IGNORE` where there is none, `HIDDEN` where a class is marked unknown.

    A pixel belongs to a shape that its centre lies in.

    Args:
        path: of the file.
        grid: of the scene.
        classes: the table.

    Raises:
        PipelineError: if the file is none, or names another class.
    """
    names, shapes = read(path)
    values = {IGNORE_NAME: HIDDEN} | {c.name: c.id for c in classes}
    if strange := [name for name in names if name not in values]:
        raise PipelineError(
            f"{path} names the class {strange[0]!r}, but the classes are {', '.join(classes.names)}"
        )
    tree = shapely.STRtree(shapes)

    def label(window: Window) -> LabelArray:
        part = grid.window(window)
        found = np.sort(tree.query(shapely.box(*part.bounds)))
        pairs = [(shapes[number], values[names[number]]) for number in found]
        if not pairs:
            return np.full(part.shape, IGNORE, np.uint8)
        burned: LabelArray = rasterize(
            pairs, out_shape=part.shape, transform=part.transform, fill=IGNORE, dtype="uint8"
        )
        return burned

    return label
