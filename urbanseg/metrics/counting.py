"""Counts of one block of a scene, from which the scores are computed.

A block is read with a halo, so that outlines and their matches do not end at its border.
Pixels and outlines are counted by cell, the smaller unit that the bootstrap resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import IGNORE, position_lut, span
from urbanseg.config.evaluate import RoadScoreParams
from urbanseg.config.vectorize import RoadParams
from urbanseg.errors import PipelineError
from urbanseg.grid import Window, blocks
from urbanseg.io.raster import Reader
from urbanseg.metrics import roads
from urbanseg.metrics.boundary import BandCounts, BoundaryCounts, band_counts, boundary_counts, halo_px
from urbanseg.metrics.calibration import confidence_counts
from urbanseg.metrics.objects import Fragments, fragments
from urbanseg.metrics.roads import RoadScores
from urbanseg.metrics.segmentation import TEST, counted
from urbanseg.roads.surface import probability_of, with_weak_roads

Classes = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class Files(NamedTuple):
    """The rasters that are compared, all uint8 and on one grid.

    Labels are 255 where unknown, prediction, confidence and probability of road where the scene has no data;
    the split holds indices into `SPLITS`. Without a probability of road the confidence tells it.
    """

    labels: Path
    prediction: Path
    confidence: Path
    split: Path
    road_probability: Path | None = None


class Readers(NamedTuple):
    """The same, open."""

    labels: Reader
    prediction: Reader
    confidence: Reader
    split: Reader
    road_probability: Reader | None = None


@dataclass(frozen=True)
class Plan:
    """What is counted.

    Attributes:
        ids: pixel values of the classes, in order; they are counted by their positions.
        tolerance_m: of the boundaries that are counted by cell, and width of the bands.
        tolerances: further tolerances in metres, by name.
        cell_m: side of a cell, at most a block.
        road: pixel values of the classes that are roads; empty if there is none.
        road_rules: how road networks are compared.
        road_repair: how the predicted network is repaired, as for the map.
        building: pixel values of the classes that are buildings; empty if there is none.
    """

    ids: Sequence[int]
    tolerance_m: float
    tolerances: dict[str, float]
    cell_m: float
    road: Sequence[int]
    road_rules: RoadScoreParams
    road_repair: RoadParams
    building: Sequence[int]

    @property
    def n(self) -> int:
        """Number of classes."""
        return len(self.ids)

    @property
    def reach_m(self) -> float:
        """How far from a pixel its counts depend on others."""
        return max([self.tolerance_m, *self.tolerances.values()])


@dataclass(frozen=True)
class BlockCounts:
    """What was counted on the test pixels of a block; the fields are those of `accumulate.SceneCounts`."""

    cells: list[Window]
    pixels: NDArray[np.int64]
    outlines: BoundaryCounts
    buildings: Fragments
    roads: RoadScores
    tolerances: dict[float, BoundaryCounts]
    bands: BandCounts
    confidence: NDArray[np.int64]


def count_block(readers: Readers, block: Window, plan: Plan) -> tuple[NDArray[np.int64], BlockCounts | None]:
    """Count the classes of the map in a block, and everything on its test pixels.

    Args:
        readers: the open rasters, on one grid.
        block: the block in the scene.
        plan: what is counted.

    Returns:
        ``(n,)`` int64, pixels of each class of the map; and the counts of the test pixels, None
        without any.

    Raises:
        PipelineError: if a raster holds an unknown class id, or a predicted pixel has no
            confidence.
    """
    pixel_m = readers.labels.grid.pixel_m
    window, inner = block.grown(halo_px(plan.reach_m, pixel_m), readers.labels.grid.shape)
    core = inner.slices
    split = readers.split.read_band(window)
    if not (split[core] == TEST).any():
        return _histogram(_classes(readers.prediction, block, plan.ids), plan.n), None
    reference, predicted = (
        _classes(raster, window, plan.ids) for raster in (readers.labels, readers.prediction)
    )
    counts = counted(reference, predicted, split)
    inside, own, mapped = counts[core], reference[core], predicted[core]
    cells, place = lay_cells(block, plan.cell_m, pixel_m)
    building, road = ([plan.ids.index(value) for value in kind] for kind in (plan.building, plan.road))

    def outlines(tolerance_m: float, cells: NDArray[np.int64] | None = None) -> BoundaryCounts:
        return boundary_counts(
            reference, predicted, counts,
            n=plan.n, tolerance_m=tolerance_m, pixel_m=pixel_m, core=core, cells=cells,
        )  # fmt: skip

    by_cell = outlines(plan.tolerance_m, place)
    return _histogram(mapped, plan.n), BlockCounts(
        cells=cells,
        pixels=_confusion_by_cell(own[inside], mapped[inside], place[inside], plan.n, len(cells)),
        outlines=by_cell,
        buildings=fragments(_mask(own, inside, building), _mask(mapped, inside, building), block, place),
        roads=roads.compare_masks(
            _mask(own, inside, road),
            *_traced(readers, block, _mask(mapped, inside, road), inside),
            pixel_m,
            plan.road_rules,
            plan.road_repair,
        ),
        tolerances={
            tolerance: by_cell.total() if tolerance == plan.tolerance_m else outlines(tolerance)
            for tolerance in set(plan.tolerances.values())
        },
        bands=band_counts(
            reference, predicted, counts, n=plan.n, width_m=plan.tolerance_m, pixel_m=pixel_m, core=core
        ),
        confidence=_confidence(readers, block, own, mapped, inside, plan.n),
    )


def _traced(readers: Readers, block: Window, road: Mask, inside: Mask) -> tuple[Mask, NDArray[np.uint8]]:
    """The pixels that roads are traced on, and the probability of road, as for the map."""
    everything = Window(0, 0, *road.shape)
    if readers.road_probability is None:
        values = readers.confidence.read_band(block)
        return road, probability_of(lambda _: road, lambda _: values)(everything)
    values = readers.road_probability.read_band(block)
    return inside & with_weak_roads(lambda _: road, lambda _: values)(everything), values


def _confidence(
    readers: Readers, block: Window, own: Classes, mapped: Classes, inside: Mask, n: int
) -> NDArray[np.int64]:
    certainty = readers.confidence.read_band(block)[inside]
    if (certainty == IGNORE).any():
        raise PipelineError(
            f"{readers.confidence.path} has no value where {readers.prediction.path} has a class; "
            "run the predict stage again"
        )
    return confidence_counts(own[inside], mapped[inside], certainty, n)


def lay_cells(
    block: Window, cell_m: float, pixel_m: tuple[float, float]
) -> tuple[list[Window], NDArray[np.int64]]:
    """Square cells that partition a block, and the number of the cell that each pixel lies in.

    Args:
        block: in the scene.
        cell_m: side of a cell.
        pixel_m: height and width of a pixel in metres.

    Returns:
        The cells, windows of the scene; and ``(height, width)`` int64.
    """
    side = max(1, round(cell_m / (pixel_m[0] * pixel_m[1]) ** 0.5))
    laid = blocks((block.height, block.width), side)
    place = np.empty((block.height, block.width), np.int64)
    for i, cell in enumerate(laid):
        place[cell.slices] = i
    return [Window(block.row + c.row, block.col + c.col, c.height, c.width) for c in laid], place


def _classes(raster: Reader, window: Window, ids: Sequence[int]) -> Classes:
    """Positions of the classes of a window, or `IGNORE`."""
    values: Classes = raster.read_band(window)
    places = position_lut(ids)[values]
    # Adding 1 turns 255 into 0, so that one maximum finds unknown ids.
    if int((places + np.uint8(1)).max(initial=0)) > len(ids):
        worst = values[(places >= len(ids)) & (places != IGNORE)].max()
        raise PipelineError(
            f"{raster.path} holds the value {worst}, but the class ids are {span(ids)}; "
            "run the stage that makes it again"
        )
    return places


def _histogram(values: Classes, n: int) -> NDArray[np.int64]:
    return np.bincount(values.ravel(), minlength=n)[:n].astype(np.int64)


def _confusion_by_cell(
    reference: Classes, predicted: Classes, place: NDArray[np.int64], n: int, cells: int
) -> NDArray[np.int64]:
    """`confusion` of each cell: ``(cells, n, n)``."""
    key = (place * n + reference) * n + predicted
    return np.bincount(key, minlength=cells * n * n).reshape(cells, n, n).astype(np.int64)


def _mask(classes: Classes, inside: Mask, kind: Sequence[int]) -> Mask:
    return np.asarray(inside & np.isin(classes, kind))
