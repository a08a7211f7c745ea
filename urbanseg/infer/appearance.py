"""How the ground of each class looked in a training, and how far that of an image is from it.

`urbanseg.model.domain` compares whole tiles with the mean of the training's. This looks at what a network
*calls* a class, too: water that is striped like a car park, soil of a colour that no soil of the training
had. The pixels of one class in a tile (or all) are described by a few numbers, and are as far from the
training as from their nearest neighbours there (Sun et al. 2022, "Out-of-Distribution Detection with Deep
Nearest Neighbors", with numbers of pixels instead of features of a network, so that any back end will do). So
a place of one kind of ground is familiar, however rare that is in the training.
`urbanseg.workflows.training_statistics` makes what is kept. Needs no PyTorch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import IGNORE
from urbanseg.errors import PipelineError
from urbanseg.model.spec import Spec

KEY = "appearance"
"""Of what is kept, in the statistics of `domain`."""

ALL = "all"
"""Stands for a class: all pixels of a tile."""

LEAST_SHARE = 0.1
"""Of a tile's pixels, that make its ground of a class worth describing."""

NEIGHBOURS = 3

TOLERANCE = {
    "level": 0.15, "contrast": 0.3, "detail": 0.3, "fine": 0.1, "coarse": 0.1, "spikes": 0.2, "joint": 0.1,
}  # fmt: skip
"""What each kind of number may be off beyond the training's spread: standard deviations, or logarithms."""

WORDS = {
    "contrast": ("is more even", "is more varied"),
    "detail": ("has less detail", "has more detail"),
    "fine": ("is rougher from pixel to pixel", "is smoother from pixel to pixel"),
    "coarse": ("has smaller structures", "has larger structures"),
    "spikes": ("has fewer small spots", "has more small spots"),
    "joint": ("varies less together in all bands", "varies more together in all bands"),
}
"""What is said of a lower and of a higher number of each kind."""


@dataclass(frozen=True)
class Known:
    """What is kept of a class, ready for comparison."""

    tiles: NDArray[np.float64]
    """``(tiles, numbers)`` of the training."""
    white: NDArray[np.float64]
    """``(numbers, numbers)``: what decorrelates."""
    edge: float
    """Distance of an image that few images of the validation reach."""
    single: float
    """The same of a single tile."""


def names(bands: Sequence[str]) -> list[tuple[str, str]]:
    """Kind of each number, and the band that it is of."""
    return [("level", band) for band in bands] + [(kind, "") for kind in list(TOLERANCE)[1:]]


def describe(tile: NDArray[np.float64], mask: NDArray[np.bool_], spec: Spec) -> NDArray[np.float64] | None:
    """The numbers that describe a part of a tile, in the order of `names`.

    Args:
        tile: ``(bands, side, side)`` in the units of the training.
        mask: ``(side, side)``, of the part.
        spec: of the model.

    Returns:
        ``(numbers,)``; None if the part is too small or too scattered.
    """
    mean, std = (np.asarray(values)[:, None, None] for values in (spec.mean, spec.std))
    scores = (tile - mean) / std
    steps = {lag: _differences(scores, mask, lag) for lag in (1, 2, 4)}
    if mask.mean() < LEAST_SHARE or steps[4].shape[1] < mask.size / 100:
        return None
    size = {lag: float(np.sqrt((found**2).mean())) + 1e-4 for lag, found in steps.items()}
    inside = scores[:, mask]
    single = np.sqrt((steps[1] ** 2).mean(axis=0))
    return np.array(
        [
            *inside.mean(axis=1),
            np.log(inside.std(axis=1).mean() + 1e-3),
            np.log(size[1]),
            np.log(size[2] / size[1]),
            np.log(size[4] / size[2]),
            np.log(size[1] / (np.median(single) + 0.1 * size[1])),
            _joint(steps[1]),
        ]
    )


def parts(
    tile: NDArray[np.float64], classes: NDArray[np.uint8], spec: Spec
) -> dict[str, NDArray[np.float64]]:
    """The numbers of a tile as a whole and of each class in it.

    Args:
        tile: ``(bands, side, side)`` in the units of the training.
        classes: ``(side, side)``, `IGNORE` where nothing was measured.
        spec: of the model.
    """
    masks = {ALL: classes != IGNORE}
    masks |= {name: classes == value for value, name in enumerate(spec.classes)}
    found = {name: describe(tile, mask, spec) for name, mask in masks.items() if mask.mean() >= LEAST_SHARE}
    return {name: numbers for name, numbers in found.items() if numbers is not None}


def read(known: Mapping[str, Any], spec: Spec, origin: str) -> dict[str, Known]:
    """What was kept of each class, ready for comparison; nothing of models that are older than this.

    Args:
        known: statistics of the training.
        spec: of the model.
        origin: the file or folder that they are of, for the error.

    Raises:
        PipelineError: if they are damaged, or of another model.
    """
    try:
        found = {str(name): _read(entry, spec) for name, entry in dict(known.get(KEY, {})).items()}
    except (LookupError, TypeError, ValueError, np.linalg.LinAlgError):
        raise PipelineError(
            f"{origin}: its {KEY} of classes is of another model, or damaged; get the model again"
        ) from None
    return found


def _read(entry: Mapping[str, Any], spec: Spec) -> Known:
    tiles = np.array(entry["tiles"], float)
    edges = float(entry["edge"]), float(entry["single"])
    if tiles.ndim != 2 or tiles.shape[1] != len(names(spec.bands)) or len(tiles) < NEIGHBOURS:
        raise ValueError(tiles.shape)
    if not (np.isfinite(tiles).all() and all(0 < edge < np.inf for edge in edges)):
        raise ValueError(edges)
    return Known(tiles, whitening(tiles, spec), *edges)


def score(numbers: NDArray[np.float64], known: Known, *, apart: int) -> float:
    """How far an image is from the training: the median of its tiles, 1 at the edge of the validation.

    Args:
        numbers: of its tiles, ``(tiles, numbers)``, at least one.
        known: of the training.
        apart: how many of the tiles do not overlap: the fewer, the further they may be.
    """
    points, plain = numbers @ known.white, known.tiles @ known.white
    found = float(np.median([nearest(point, plain) for point in points]))
    count = max(1, min(apart, len(numbers)))
    return float(found / (known.edge + (known.single - known.edge) / np.sqrt(count)))


def reasons(numbers: NDArray[np.float64], known: Known, spec: Spec, most: int = 2) -> list[str]:
    """What sets the median tile of an image apart from its nearest neighbours in the training, in words.

    Args:
        numbers: of the image's tiles, ``(tiles, numbers)``.
        known: of the training.
        spec: of the model.
        most: how many kinds of numbers are named.

    Returns:
        Such as ``is darker in red and blue``, the strongest first.
    """
    typical = np.median(numbers, axis=0)
    away = (((known.tiles - typical) @ known.white) ** 2).mean(axis=1)
    near = known.tiles[np.argsort(away, kind="stable")[:NEIGHBOURS]].mean(axis=0)
    labels = names(spec.bands)
    tolerances = np.array([TOLERANCE[kind] for kind, _ in labels])
    off = (typical - near) / np.hypot(known.tiles.std(axis=0), tolerances)
    order = [int(index) for index in np.argsort(-np.abs(off), kind="stable")]
    chosen = list(dict.fromkeys(labels[index][0] for index in order))[:most]
    return [_words(kind, off, labels) for kind in chosen]


def _words(kind: str, off: NDArray[np.float64], labels: Sequence[tuple[str, str]]) -> str:
    """A comparison for a kind of number, with the bands in which its strongest deviation is shared."""
    own = [index for index, (each, _) in enumerate(labels) if each == kind]
    worst = max(own, key=lambda index: abs(off[index]))
    higher = bool(off[worst] > 0)
    if kind != "level":
        return WORDS[kind][higher]
    alike = [labels[index][1] for index in own if off[index] * np.sign(off[worst]) > abs(off[worst]) / 2]
    bands = " and ".join([", ".join(alike[:-1]), alike[-1]] if len(alike) > 1 else alike)
    return f"is {'brighter' if higher else 'darker'} in {bands}"


def nearest(point: NDArray[np.float64], points: NDArray[np.float64]) -> float:
    """Mean distance of a point from its nearest neighbours, root mean square over the numbers."""
    off = np.sqrt(((points - point) ** 2).mean(axis=1))
    return float(np.sort(off)[:NEIGHBOURS].mean())


def whitening(vectors: NDArray[np.float64], spec: Spec) -> NDArray[np.float64]:
    """By what numbers are multiplied to be decorrelated, of a spread of one and the tolerances."""
    tolerances = np.array([TOLERANCE[kind] for kind, _ in names(spec.bands)])
    spread = np.cov(vectors.T) + np.diag(tolerances**2)
    return np.asarray(np.linalg.inv(np.linalg.cholesky(spread)).T)


def _differences(scores: NDArray[np.float64], mask: NDArray[np.bool_], lag: int) -> NDArray[np.float64]:
    """Differences of pixels `lag` apart along both axes, both in the mask: ``(bands, n)``."""
    across = (scores[:, :, lag:] - scores[:, :, :-lag])[:, mask[:, lag:] & mask[:, :-lag]]
    down = (scores[:, lag:] - scores[:, :-lag])[:, mask[lag:] & mask[:-lag]]
    return np.concatenate([across, down], axis=1)


def _joint(steps: NDArray[np.float64]) -> float:
    """Mean correlation of the differences of neighbouring bands; 1 of a single band or of a flat one."""
    norms = np.sqrt((steps**2).sum(axis=1))
    both = norms[:-1] * norms[1:]
    products = (steps[:-1] * steps[1:]).sum(axis=1)
    return float(np.mean(np.where(both > 0, products / np.where(both > 0, both, 1), 1))) if len(both) else 1.0
