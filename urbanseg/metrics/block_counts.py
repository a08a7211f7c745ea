"""The counts of each test block, the figures computed from them, and the figures' intervals.

Headline figures and class IoUs are functions of counts that add up over blocks. The
counts are kept as small tables, so that a later comparison of two maps can draw the same
blocks for both (`bootstrap`), and cities can be scored together. Pixels, outlines and
buildings are counted by cell, a part of a test block; roads by whole test blocks, because
cutting a network into cells would change its connectivity. The vectors that are delivered have
counts of their own, where there is something to hold them against.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from urbanseg.grid import Window
from urbanseg.metrics import bootstrap
from urbanseg.metrics.accumulate import SceneCounts
from urbanseg.metrics.bootstrap import Interval
from urbanseg.metrics.boundary import BoundaryCounts, boundary_scores
from urbanseg.metrics.delivered import Delivered
from urbanseg.metrics.delivered_buildings import BUILDING_FIGURES, building_figures
from urbanseg.metrics.objects import Detections, precision_recall_f1
from urbanseg.metrics.road_counts import (
    NETWORK_FIGURES,
    ROAD_FIGURES,
    network_figures,
    road_counts,
    road_figures,
    with_apls,
)
from urbanseg.metrics.segmentation import (
    class_scores,
    frequency_weighted_iou,
    kappa,
    mean,
    pixel_accuracy,
)

SIDES = ("predicted", "predicted_matched", "reference", "reference_matched")
"""Counts of outlines and of buildings, by their names in the tables."""

CELL_FIGURES = (
    "miou",
    "pixel_accuracy",
    "mean_f1",
    "mean_boundary_f1",
    "building_f1",
    "agreement.frequency_weighted_iou",
    "agreement.kappa",
)
"""Figures of the cells' counts, by their paths in the metrics; the IoU of each class follows."""

RASTER_ROADS = {
    "road_connectivity": "connectivity",
    "road_apls": "apls_pooled",
    **{f"roads.{name}": name for name in ROAD_FIGURES},
}
"""Figures of the test blocks' roads in the raster by their paths in the metrics; raw is before the repair."""

DELIVERED_ROADS = {
    "delivered_road_apls": "apls_pooled",
    **{f"delivered.roads.{name}": name for name in NETWORK_FIGURES},
}
"""Figures of the delivered roads, by their paths in the metrics."""

DELIVERED_BUILDINGS = {
    "delivered_building_f1": "f1",
    **{f"delivered.buildings.{name}": name for name in BUILDING_FIGURES},
}
"""Figures of the delivered buildings, by their paths in the metrics."""

LEAST = {"agreement.kappa": -1.0}
"""Least value of a figure where it isn't 0."""

MOST = {"delivered.buildings.vertex_ratio": np.inf}
"""Largest value of a figure where it isn't 1."""

Figures = dict[str, float]
Counts = NDArray[Any]


@dataclass(frozen=True)
class CountsByBlock:
    """Counts of each cell and each test block.

    Attributes:
        classes: names of the classes.
        cells: where the cells lie.
        pixels: ``(cells, n, n)`` int64, rows are the reference.
        outlines: ``(cells, 4, n)`` int64, in the order of `SIDES`.
        buildings: ``(cells, 4)`` int64, in the order of `SIDES`.
        blocks: where the test blocks lie.
        roads: ``(blocks, 13)`` float64, in the order of `ROAD_COUNTS`.
        sizes: number of cells and of blocks of each city, where several were pooled.
        delivered_roads: ``(blocks, 10)`` float64, in the order of `NETWORK_COUNTS`; None where the
            delivered roads were not scored.
        delivered_buildings: ``(cells, 7)`` float64, in the order of `BUILDING_COUNTS`; None likewise.
    """

    classes: tuple[str, ...]
    cells: list[Window]
    pixels: NDArray[np.int64]
    outlines: NDArray[np.int64]
    buildings: NDArray[np.int64]
    blocks: list[Window]
    roads: NDArray[np.float64]
    sizes: tuple[tuple[int, int], ...] = ()
    delivered_roads: NDArray[np.float64] | None = None
    delivered_buildings: NDArray[np.float64] | None = None

    def by_city(self, which: int) -> list[list[Window]]:
        """The cells (0) or blocks (1) of each city, which are apart from those of the others."""
        windows = (self.cells, self.blocks)[which]
        counts = [size[which] for size in self.sizes] or [len(windows)]
        return [windows[start:end] for start, end in pairwise(accumulate(counts, initial=0))]


def from_scene(found: SceneCounts, classes: Sequence[str], delivered: Delivered) -> CountsByBlock:
    """The counts by block of a city.

    Args:
        found: what was counted on its rasters.
        classes: names of the classes.
        delivered: what was counted of the delivered vectors.
    """
    return CountsByBlock(
        classes=tuple(classes),
        cells=found.cells,
        pixels=found.pixels,
        outlines=np.stack([getattr(found.outlines, side) for side in SIDES], axis=1),
        buildings=np.stack([getattr(found.buildings, side) for side in SIDES], axis=1),
        blocks=found.blocks,
        roads=np.array([road_counts(scores) for scores in found.roads]),
        delivered_roads=delivered.roads,
        delivered_buildings=delivered.buildings,
    )


def pool(parts: Sequence[CountsByBlock]) -> CountsByBlock:
    """The counts by block of several cities together.

    Raises:
        ValueError: if their classes differ.
    """
    if len({part.classes for part in parts}) != 1:
        raise ValueError("counts of different classes can't be pooled")
    return CountsByBlock(
        classes=parts[0].classes,
        cells=[cell for part in parts for cell in part.cells],
        pixels=np.concatenate([part.pixels for part in parts]),
        outlines=np.concatenate([part.outlines for part in parts]),
        buildings=np.concatenate([part.buildings for part in parts]),
        blocks=[block for part in parts for block in part.blocks],
        roads=np.concatenate([part.roads for part in parts]),
        sizes=tuple((len(part.cells), len(part.blocks)) for part in parts),
        delivered_roads=_joined(
            [part.delivered_roads for part in parts], [len(part.blocks) for part in parts]
        ),
        delivered_buildings=_joined(
            [part.delivered_buildings for part in parts], [len(part.cells) for part in parts]
        ),
    )


def _joined(parts: Sequence[NDArray[np.float64] | None], sizes: Sequence[int]) -> NDArray[np.float64] | None:
    """Counts of several cities; cities without any hold nothing, and are drawn in no sample."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    nothing = (np.zeros((size, known[0].shape[1])) for size in sizes)
    return np.concatenate([none if part is None else part for part, none in zip(parts, nothing, strict=True)])


def figures(by_block: CountsByBlock) -> Figures:
    """Headline figures, agreement, and IoU of each class, by their paths in the metrics; NaN if undefined."""
    return {
        name: float(value)
        for family in _families(by_block)
        for name, value in zip(family.names, family.statistic(family.counts.sum(axis=0)), strict=True)
    }


def intervals(by_block: CountsByBlock, seed: int, samples: int) -> dict[str, Interval]:
    """95 % interval of each of the `figures`, of t type, by block bootstrap.

    Args:
        by_block: counts of each cell and test block.
        seed: of the bootstrap samples.
        samples: number of bootstrap samples.

    Returns:
        Intervals within the figures' range by the path of the figure in the metrics.
    """
    found = {}
    for family in _families(by_block):
        sure = bootstrap.estimate(family.counts, family.statistic, family.areas, seed, samples)
        least = [LEAST.get(name, 0.0) for name in family.names]
        most = [MOST.get(name, 1.0) for name in family.names]
        found.update(sure.intervals(family.names, family.unit, least, most))
    return found


def differences(a: CountsByBlock, b: CountsByBlock, seed: int, samples: int) -> dict[str, Interval]:
    """How much higher B scores than A in each of the `figures`: the paired 95 % interval.

    Args:
        a: counts by block of the base.
        b: counts of the same blocks in the map compared with it.
        seed: of the bootstrap samples.
        samples: number of bootstrap samples.

    Returns:
        Interval of the difference, by the path of the figure in the metrics; of figures that both have.

    Raises:
        ValueError: if A and B were not scored on the same blocks by the same classes.
    """
    if (a.classes, a.cells, a.blocks, a.by_city(0)) != (b.classes, b.cells, b.blocks, b.by_city(0)):
        raise ValueError("the two were scored on different test blocks or classes")
    found = {}
    others = {tuple(family.names): family.counts for family in _families(b)}
    for names, unit, before, statistic, areas in _families(a):
        if (after := others.get(tuple(names))) is not None:
            sure = bootstrap.difference(before, after, statistic, areas, seed, samples)
            found.update(sure.intervals(names, unit))
    return found


class _Family(NamedTuple):
    """Figures that are functions of the same counts."""

    names: list[str]
    unit: str
    counts: Counts
    statistic: Callable[[Counts], NDArray[np.float64]]
    areas: list[list[Window]]


def _families(by_block: CountsByBlock) -> list[_Family]:
    classes = by_block.classes
    n, cells = len(classes), len(by_block.cells)
    by_cell = np.concatenate(
        [counts.reshape(cells, -1) for counts in (by_block.pixels, by_block.outlines, by_block.buildings)],
        axis=1,
    )

    def of_cells(total: Counts) -> NDArray[np.float64]:
        pixels, outlines, buildings = np.split(total, [n * n, n * n + 4 * n])
        return _cell_figures(pixels.reshape(n, n), outlines.reshape(4, n), buildings)

    names = [*CELL_FIGURES, *(f"classes.{name}.iou" for name in classes)]
    areas, blocks = by_block.by_city(0), by_block.by_city(1)
    found = [
        _Family(names, "cells", by_cell, of_cells, areas),
        _named(RASTER_ROADS, "blocks", with_apls(by_block.roads), road_figures, blocks),
    ]
    if by_block.delivered_roads is not None:
        counts = with_apls(by_block.delivered_roads)
        found.append(_named(DELIVERED_ROADS, "blocks", counts, network_figures, blocks))
    if by_block.delivered_buildings is not None:
        counts = by_block.delivered_buildings
        found.append(_named(DELIVERED_BUILDINGS, "cells", counts, building_figures, areas))
    return found


def _named(
    paths: Mapping[str, str],
    unit: str,
    counts: Counts,
    statistic: Callable[[Counts], Mapping[str, float]],
    areas: list[list[Window]],
) -> _Family:
    """Figures that a function gives by their names, which `paths` has by their paths in the metrics."""

    def values(total: Counts) -> NDArray[np.float64]:
        by_name = statistic(total)
        return np.array([by_name[name] for name in paths.values()])

    return _Family(list(paths), unit, counts, values, areas)


def _cell_figures(
    pixels: NDArray[np.int64], outlines: NDArray[np.int64], buildings: NDArray[np.int64]
) -> NDArray[np.float64]:
    scores = class_scores(pixels)
    found = Detections(**dict(zip(SIDES, buildings[:, np.newaxis], strict=True)))
    return np.array(
        [
            mean(scores.iou),
            pixel_accuracy(pixels),
            mean(scores.f1),
            mean(boundary_scores(BoundaryCounts(*outlines)).f1),
            precision_recall_f1(found)[2],
            frequency_weighted_iou(pixels),
            kappa(pixels),
            *scores.iou,
        ]
    )
