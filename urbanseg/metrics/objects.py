"""Detection scores of objects such as buildings, counted one by one.

An object is a 4-connected patch of pixels, as the map's polygons are. A predicted object
is correct if it overlaps a reference object with an IoU of the threshold or more (an IoU of just
0.5 counts), each serving one match only (SpaceNet: Van Etten et al. 2018, "SpaceNet: A Remote Sensing
Dataset and Challenge Series"; above 0.5 a match is unique: Kirillov et al. 2019, "Panoptic
Segmentation"). Windows give fragments; `ObjectMerger` joins them across seams, so that an
object counts once however the scene is cut, and memory grows with objects, not pixels.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from urbanseg.grid import Window

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Detections:
    """Objects in the reference and the map and how many of each are matched, ``(units,)`` int64 each."""

    predicted: Ids
    predicted_matched: Ids
    reference: Ids
    reference_matched: Ids


@dataclass(frozen=True)
class Patches:
    """Patches of one mask in a window, numbered from 1: pixels, unit of the first pixel, and borders."""

    area: Ids
    unit: Ids
    top: NDArray[np.int32]
    bottom: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]


@dataclass(frozen=True)
class Fragments:
    """Patches of both masks in a window, and the pixels that pairs of them share."""

    window: Window
    reference: Patches
    predicted: Patches
    pairs: Ids
    """``(pairs, 3)``: number in the reference, number in the prediction, pixels."""


def fragments(
    reference: NDArray[np.bool_], predicted: NDArray[np.bool_], window: Window, units: Ids
) -> Fragments:
    """The patches of a window.

    Args:
        reference: ``(height, width)`` bool, True on objects.
        predicted: same, predicted.
        window: where in the scene they lie.
        units: ``(height, width)`` int64, the unit that each pixel belongs to.

    Returns:
        The 4-connected patches of both masks and the pixels that pairs of them share.
    """
    labels = [ndimage.label(mask, output=np.int32)[0] for mask in (reference, predicted)]
    both = (labels[0] > 0) & (labels[1] > 0)
    span = int(labels[1].max(initial=0)) + 1
    keys, shared = np.unique(labels[0][both].astype(np.int64) * span + labels[1][both], return_counts=True)
    pairs = np.column_stack([*np.divmod(keys, span), shared])
    return Fragments(window, _patches(labels[0], units), _patches(labels[1], units), pairs)


def _patches(labels: NDArray[np.int32], units: Ids) -> Patches:
    flat = labels.ravel()
    on = np.flatnonzero(flat)
    area = np.bincount(flat)[1:] if on.size else np.zeros(0, np.int64)
    first = np.full(len(area), flat.size)
    np.minimum.at(first, flat[on] - 1, on)
    borders = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    return Patches(area.astype(np.int64), units.ravel()[first], *(border.copy() for border in borders))


@dataclass
class ObjectMerger:
    """Fragments of all windows, which lie edge to edge in rows and columns and arrive row by row."""

    parts: list[Fragments] = field(default_factory=list)
    first_units: list[int] = field(default_factory=list)

    def add(self, part: Fragments, first_unit: int = 0) -> None:
        """Add the fragments of a window, whose units are numbered from `first_unit`."""
        self.parts.append(part)
        self.first_units.append(first_unit)

    def detections(self, units: int, min_iou: float) -> Detections:
        """Join the fragments to objects, match them, and count them by unit.

        Args:
            units: number of units; an object belongs to that of its first fragment.
            min_iou: least IoU of a match.
        """
        owners, sizes, homes = zip(*(self._joined(side) for side in ("reference", "predicted")), strict=True)
        shared = np.concatenate([np.zeros((0, 3), np.int64), *self._pairs()])
        overlap = sparse.coo_array(
            (shared[:, 2], (owners[0][shared[:, 0]], owners[1][shared[:, 1]])),
            shape=(len(sizes[0]), len(sizes[1])),
        ).tocsr()
        matched = _match(overlap, sizes[0], sizes[1], min_iou)
        counts = []
        for home, hit in zip(homes, matched, strict=True):
            counts += [np.bincount(home, minlength=units), np.bincount(home[hit], minlength=units)]
        return Detections(*counts[2:], *counts[:2])

    def _pairs(self) -> list[Ids]:
        """Pairs of each window with the windows' numbers made the scene's, from 0."""
        starts = [self._starts(side) for side in ("reference", "predicted")]
        return [
            part.pairs + np.array([starts[0][i] - 1, starts[1][i] - 1, 0])
            for i, part in enumerate(self.parts)
        ]

    def _starts(self, side: str) -> Ids:
        counts = [len(getattr(part, side).area) for part in self.parts]
        return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])

    def _joined(self, side: str) -> tuple[Ids, Ids, Ids]:
        """Object of each fragment; pixels and unit of each object."""
        starts = self._starts(side)
        seams = self._seams(side, starts)
        total = int(starts[-1])
        links = sparse.coo_array((np.ones(len(seams), np.int8), (seams[:, 0], seams[:, 1])), (total, total))
        count, owner = csgraph.connected_components(links, directed=False)
        patches = [getattr(part, side) for part in self.parts]
        area = np.concatenate([np.zeros(0, np.int64), *(p.area for p in patches)])
        units = [p.unit + base for p, base in zip(patches, self.first_units, strict=True)]
        unit = np.concatenate([np.zeros(0, np.int64), *units])
        _, first = np.unique(owner, return_index=True)
        size = np.zeros(count, np.int64)
        np.add.at(size, owner, area)
        return owner.astype(np.int64), size, unit[first]

    def _seams(self, side: str, starts: Ids) -> Ids:
        """Pairs of fragments that touch across the border of two windows: ``(pairs, 2)``."""
        place = {(part.window.row, part.window.col): i for i, part in enumerate(self.parts)}
        found = [np.zeros((0, 2), np.int64)]
        for i, part in enumerate(self.parts):
            row, col, height, width = part.window
            own: Patches = getattr(part, side)
            for neighbour, near, far in (
                (place.get((row, col + width)), own.right, "left"),
                (place.get((row + height, col)), own.bottom, "top"),
            ):
                if neighbour is None:
                    continue
                other = getattr(getattr(self.parts[neighbour], side), far)
                touching = (near > 0) & (other > 0)
                pairs = np.unique(np.column_stack([near[touching], other[touching]]), axis=0)
                found.append(pairs + np.array([starts[i] - 1, starts[neighbour] - 1]))
        return np.concatenate(found)


def _match(
    overlap: sparse.csr_array, reference: Ids, predicted: Ids, min_iou: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which objects of each side are matched: as many as can be, each in one pair at most.

    Above an IoU of 0.5 a pair excludes all others; at just 0.5 two candidates may tie.
    """
    pairs = overlap.tocoo()
    union = reference[pairs.row] + predicted[pairs.col] - pairs.data
    # Cross-multiplied with a small tolerance, so that an IoU that equals the threshold is a match.
    good = pairs.data >= min_iou * union * (1 - 1e-12)
    wanted = sparse.coo_array(
        (np.ones(int(good.sum()), np.int8), (pairs.row[good], pairs.col[good])), overlap.shape
    ).tocsr()
    partner = csgraph.maximum_bipartite_matching(wanted, perm_type="column")
    hit = np.zeros(len(predicted), bool)
    hit[partner[partner >= 0]] = True
    return partner >= 0, hit


def precision_recall_f1(found: Detections) -> tuple[float, float, float]:
    """Precision, recall and F1 over all units; NaN where neither raster has an object.

    Objects on one side only score 0 throughout.
    """
    reference, hits = int(found.reference.sum()), int(found.reference_matched.sum())
    predicted = int(found.predicted.sum())
    if not reference + predicted:
        return (float("nan"),) * 3
    return hits / max(predicted, 1), hits / max(reference, 1), 2 * hits / (reference + predicted)
