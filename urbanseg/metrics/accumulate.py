"""Counting on the test pixels of a scene, block by block.

Everything the scores need is a count that adds up over blocks, so memory is bounded by a
block and by the counts that are kept of each. Blocks are counted by several processes;
their results are taken in the blocks' order, so the number of processes changes no figure.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial, reduce
from operator import add

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.io.raster import reading, require_same_grid
from urbanseg.metrics.block_workers import each_block
from urbanseg.metrics.boundary import BandCounts, BoundaryCounts
from urbanseg.metrics.counting import BlockCounts, Files, Plan, Readers, count_block
from urbanseg.metrics.objects import Detections, ObjectMerger
from urbanseg.metrics.roads import RoadScores

OBJECT_IOU = 0.5
"""Least IoU at which an object counts as found."""


@dataclass(frozen=True)
class SceneCounts:
    """The counts over the test pixels of a scene.

    Attributes:
        grid: of the scene.
        cells: the parts of test blocks that pixels, outlines and buildings are counted by.
        pixels: ``(cells, n, n)`` int64, rows are the reference.
        outlines: boundary counts by cell.
        buildings: objects by cell.
        blocks: the test blocks.
        roads: scores of each test block.
        tolerances: boundary counts of the whole at further tolerances, by name.
        tolerances_m: the same tolerances in metres.
        bands: for the boundary IoU, of the whole.
        confidence: ``(n, LEVELS, 2)`` int64 from `confidence_counts`, of the whole.
        mapped: ``(n,)`` int64 pixels of each class in the whole map, not only its test blocks.
    """

    grid: Grid
    cells: list[Window]
    pixels: NDArray[np.int64]
    outlines: BoundaryCounts
    buildings: Detections
    blocks: list[Window]
    roads: list[RoadScores]
    tolerances: dict[str, BoundaryCounts]
    tolerances_m: dict[str, float]
    bands: BandCounts
    confidence: NDArray[np.int64]
    mapped: NDArray[np.int64]


def accumulate(files: Files, laid: Sequence[Window], plan: Plan, workers: int = 1) -> SceneCounts:
    """Count everything on the test pixels.

    Args:
        files: the rasters to compare.
        laid: blocks that partition the scene, row by row.
        plan: what is counted.
        workers: number of processes.

    Returns:
        The counts over all test pixels, and the pixels of each class in the whole map.

    Raises:
        PipelineError: if the rasters lie on different grids, hold unknown class ids, or
            have no pixel that is test, labelled and predicted.
    """
    with reading(files.labels) as labels:
        grid = labels.grid
    for path in filter(None, files[1:]):
        with reading(path) as other:
            require_same_grid(files.labels, grid, path, other.grid)

    mapped = np.zeros(plan.n, np.int64)
    test: dict[Window, BlockCounts] = {}
    counted = each_block(partial(_readers, files), partial(count_block, plan=plan), laid, workers)
    for block, (classes, counts) in zip(
        laid, tqdm(counted, "evaluate", len(laid), unit="block"), strict=True
    ):
        mapped += classes
        if counts is not None:
            test[block] = counts
    if not any(counts.pixels.any() for counts in test.values()):
        raise PipelineError(
            f"{files.labels} has no labelled and predicted pixel in the test split of {files.split}; "
            "check the labels, or give the test split a larger share in tiles.split"
        )
    return merge(grid, test, plan, mapped)


def _readers(files: Files, stack: ExitStack) -> Readers:
    labels, prediction, confidence, split = (stack.enter_context(reading(path)) for path in files[:4])
    more = stack.enter_context(reading(files.road_probability)) if files.road_probability else None
    return Readers(labels, prediction, confidence, split, more)


def merge(
    grid: Grid, test: Mapping[Window, BlockCounts], plan: Plan, mapped: NDArray[np.int64]
) -> SceneCounts:
    """The counts of a scene from those of its test blocks.

    Args:
        grid: of the scene.
        test: counts of each test block.
        plan: what was counted.
        mapped: ``(n,)`` pixels of each class in the whole map.
    """
    found = list(test.values())
    cells = [cell for counts in found for cell in counts.cells]
    merger, first = ObjectMerger(), 0
    for counts in found:
        merger.add(counts.buildings, first)
        first += len(counts.cells)
    return SceneCounts(
        grid=grid,
        cells=cells,
        pixels=np.concatenate([counts.pixels for counts in found]),
        outlines=BoundaryCounts.stacked([counts.outlines for counts in found]),
        buildings=merger.detections(len(cells), OBJECT_IOU),
        blocks=list(test),
        roads=[counts.roads for counts in found],
        tolerances={
            name: reduce(add, (counts.tolerances[tolerance] for counts in found))
            for name, tolerance in plan.tolerances.items()
        },
        tolerances_m=plan.tolerances,
        bands=reduce(add, (counts.bands for counts in found)),
        confidence=reduce(add, (counts.confidence for counts in found)),
        mapped=mapped,
    )
