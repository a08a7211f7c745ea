"""The tables of a city's counts by block: written by the evaluate stage, read to compare and to pool."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.metrics.block_counts import SIDES, Counts, CountsByBlock
from urbanseg.metrics.delivered_buildings import BUILDING_COUNTS
from urbanseg.metrics.road_counts import NETWORK_COUNTS, ROAD_COUNTS

FILES = ("blocks.csv", "block_outlines.csv", "block_buildings.csv", "block_roads.csv")
"""One table for each kind of count in the rasters."""

DELIVERED_FILES = ("block_delivered_roads.csv", "block_delivered_buildings.csv")
"""Those of the delivered vectors: no row where they were not scored, no file in older results."""


def write(folder: Path, by_block: CountsByBlock) -> None:
    """Write the tables `FILES` and `DELIVERED_FILES`.

    Each has the columns ``block, row, col, height, width`` (pixels) and a column for each
    count; pixels are named ``<actual>:<predicted>``.
    """
    for name, (windows, columns, counts) in _tables(by_block).items():
        table = pd.DataFrame(windows, columns=Window._fields)
        table.insert(0, "block", np.arange(len(table)))
        values = pd.DataFrame(counts.reshape(len(table), len(columns)), columns=columns)
        pd.concat([table, values], axis=1).to_csv(folder / name, index=False, float_format="%.6f")


def read(folder: Path) -> CountsByBlock:
    """Read what `write` wrote.

    Raises:
        PipelineError: if a table is missing or damaged.
    """
    try:
        tables = {name: pd.read_csv(folder / name) for name in FILES}
        delivered = [_delivered(folder / name) for name in DELIVERED_FILES]
    except (FileNotFoundError, ValueError) as error:
        raise PipelineError(
            f"{folder} lacks the tables of its test blocks ({error}); run evaluate again"
        ) from error
    counts = [tables[name].iloc[:, 5:].to_numpy() for name in FILES]
    where = [
        [Window(*map(int, row)) for row in tables[name][list(Window._fields)].to_numpy()] for name in FILES
    ]
    first = tables[FILES[0]].columns[5:]
    classes = tuple(dict.fromkeys(column.split(":")[0] for column in first))
    n = len(classes)
    if len(first) != n * n:
        raise PipelineError(f"{folder / FILES[0]} holds no confusion of {n} classes; run evaluate again")
    return CountsByBlock(
        classes=classes,
        cells=where[0],
        pixels=counts[0].reshape(-1, n, n),
        outlines=counts[1].reshape(-1, len(SIDES), n),
        buildings=counts[2],
        blocks=where[3],
        roads=counts[3].astype(np.float64),
        delivered_roads=delivered[0],
        delivered_buildings=delivered[1],
    )


def _delivered(path: Path) -> NDArray[np.float64] | None:
    found = pd.read_csv(path) if path.exists() else pd.DataFrame()
    return None if found.empty else found.iloc[:, 5:].to_numpy(np.float64)


def _tables(by_block: CountsByBlock) -> dict[str, tuple[list[Window], list[str], Counts]]:
    names = by_block.classes
    contents = (
        (by_block.cells, [f"{actual}:{mapped}" for actual in names for mapped in names], by_block.pixels),
        (by_block.cells, [f"{name}:{side}" for side in SIDES for name in names], by_block.outlines),
        (by_block.cells, list(SIDES), by_block.buildings),
        (by_block.blocks, list(ROAD_COUNTS), by_block.roads),
    )
    delivered: tuple[tuple[list[Window], tuple[str, ...], NDArray[np.float64] | None], ...] = (
        (by_block.blocks, NETWORK_COUNTS, by_block.delivered_roads),
        (by_block.cells, BUILDING_COUNTS, by_block.delivered_buildings),
    )
    scored = [
        ([], list(columns), np.zeros((0, len(columns))))
        if counts is None
        else (windows, list(columns), counts)
        for windows, columns, counts in delivered
    ]
    return dict(zip([*FILES, *DELIVERED_FILES], [*contents, *scored], strict=True))
