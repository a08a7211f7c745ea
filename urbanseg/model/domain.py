"""What a model knows: how its training looked, and how far an image is from that.

A small tile is described by numbers that say what a person would name as the reason: level and
contrast of each band, its level against the other bands (colour), how its detail falls off with the scale
(texture), and whether neighbouring bands vary together. Of the training tiles their mean and covariance
are kept, and an image is as far away as its median tile by Mahalanobis' distance, as Lee et al. 2018, "A
Simple Unified Framework for Detecting Out-of-Distribution Samples", take it for features of a network.
Each number has a least tolerance, since one training set never holds all seasons and skies. Needs no PyTorch.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.errors import PipelineError
from urbanseg.io import files
from urbanseg.model.spec import Spec

FILE = "domain.json"

TILE_PX = 64
LEAST_PX = 16
"""Sides of the tiles; smaller ones where an image is smaller."""

LEAST_VALID = 0.95
"""Share of measured pixels that a tile needs."""

WARN, STOP = 1.0, 4.0
"""Scores from which an image is unusual, and from which a map of it would mean nothing."""

TOLERANCE = {
    "level": 0.3,
    "contrast": 0.3,
    "detail": 0.3,
    "colour": 0.15,
    "fine": 0.1,
    "coarse": 0.1,
    "joint": 0.1,
}
"""What each kind of number may be off beyond the training's spread: standard deviations, or logarithms."""

WIDEN = 0.3
"""By how many tolerances the spread of each number is widened in the distance."""

MANY = 30
"""With so many tiles or fewer, tolerances count for more than the spread that was seen."""

SHRINK = 0.05
"""Share of the identity in the covariance (Ledoit & Wolf 2004), whose numbers depend on each other."""

FEW = 2.0
"""How many times further than nearly all training tiles a single tile of another place may be."""

DIGITS = 4


@dataclass(frozen=True)
class Domain:
    """How far an image is from what a model was trained on."""

    score: float
    """0 like the training; from `WARN` unusual; from `STOP` something else."""
    reasons: list[str]
    """In words, the strongest first; none below `WARN`."""

    @property
    def is_unusual(self) -> bool:
        """Whether the map should be trusted less."""
        return self.score >= WARN

    @property
    def is_foreign(self) -> bool:
        """Whether no map should be made."""
        return self.score >= STOP


def tiles(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> Iterator[NDArray[np.float64]]:
    """Tiles of an image, side by side, that are measured nearly wholly; the rest takes the band's median.

    Args:
        pixels: ``(bands, height, width)`` of any dtype.
        valid: ``(height, width)``.

    Yields:
        ``(bands, side, side)``, of `TILE_PX`, or of what the image has.
    """
    height, width = valid.shape
    side = min(TILE_PX, height, width)
    if side < LEAST_PX:
        return
    for row in range(0, height - side + 1, side):
        for col in range(0, width - side + 1, side):
            area = slice(row, row + side), slice(col, col + side)
            held = valid[area]
            if held.mean() >= LEAST_VALID:
                tile = pixels[:, *area].astype(np.float64)
                if not held.all():
                    tile[:, ~held] = np.median(tile[:, held], axis=1)[:, None]
                yield tile


def describe(tile: NDArray[np.float64], spec: Spec) -> NDArray[np.float64]:
    """The numbers that describe a tile, in the order of `names`.

    Args:
        tile: ``(bands, side, side)`` in the units of the training.
        spec: of the model.

    Returns:
        ``(numbers,)``.
    """
    mean, std = (np.asarray(values)[:, None, None] for values in (spec.mean, spec.std))
    scores = (tile - mean) / std
    steps = {lag: _differences(scores, lag) for lag in (1, 2, 4)}
    size = {lag: np.sqrt((found**2).mean(axis=1)) + 1e-4 for lag, found in steps.items()}
    flat = scores.reshape(len(scores), -1)
    level = np.maximum(tile.reshape(len(tile), -1).mean(axis=1), 1e-6 * np.abs(mean).mean() + 1e-12)
    kinds = {
        "level": flat.mean(axis=1),
        "contrast": np.log(flat.std(axis=1) + 1e-3),
        "detail": np.log(size[1]),
        "fine": np.log(size[2] / size[1]),
        "coarse": np.log(size[4] / size[2]),
        "colour": np.log(level / level.mean()),
        "joint": _joint(steps[1]),
    }
    return np.concatenate(list(kinds.values()))


def names(bands: Sequence[str]) -> list[tuple[str, str]]:
    """Kind of each number, and the band or pair of bands that it is of."""
    single = ("level", "contrast", "detail", "fine", "coarse", "colour")
    return [(kind, band) for kind in single for band in bands] + [
        ("joint", f"{a} and {b}") for a, b in pairwise(bands)
    ]


def statistics(training: Iterable[NDArray[np.float64]], spec: Spec) -> dict[str, Any] | None:
    """What is kept of the training, as plain values for JSON; the same tiles give the same values.

    Args:
        training: tiles, as `tiles` cuts them.
        spec: of the model.

    Returns:
        None if there are too few tiles to say anything.
    """
    rows = np.array([describe(tile, spec) for tile in training])
    if len(rows) < 8:
        return None
    low, middle, high = np.quantile(rows, [0.01, 0.5, 0.99], axis=0)
    covariance = np.cov(rows.T)
    known = {
        "bands": list(spec.bands),
        "tiles": len(rows),
        "low": low.round(DIGITS).tolist(),
        "middle": middle.round(DIGITS).tolist(),
        "high": high.round(DIGITS).tolist(),
        "mean": rows.mean(axis=0).round(DIGITS).tolist(),
        "covariance": covariance.round(2 * DIGITS).tolist(),
    }
    single = [_mahalanobis(row, known) for row in rows]
    return known | {"single": round(float(np.quantile(single, 0.99)), DIGITS)}


def distance(
    image: NDArray[np.float64], known: Mapping[str, Any], spec: Spec, *, apart: int | None = None
) -> Domain:
    """How far an image is from the training.

    Args:
        image: the numbers of its tiles, ``(tiles, numbers)``, at least one tile.
        known: from `statistics`.
        spec: of the model.
        apart: how many of the tiles do not overlap; all, if None.

    Returns:
        The score and the reasons. The fewer the tiles, the further they may be, as single tiles of
        the training are from its mean.
    """
    typical = np.median(image, axis=0)
    count = len(image) if apart is None else max(1, min(apart, len(image)))
    allowed = max(1.0, FEW * float(known["single"]) / np.sqrt(count))
    score = _mahalanobis(typical, known) / allowed
    return Domain(round(score, 2), _reasons(typical, known, spec) if score >= WARN else [])


def write(folder: Path, known: Mapping[str, Any]) -> None:
    """Write the statistics beside a model, a value a line."""
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in known.items())
    files.write_text(folder / FILE, "{\n" + lines + "\n}\n")


def read(folder: Path, spec: Spec) -> dict[str, Any] | None:
    """The statistics beside a model; None if there are none.

    Raises:
        PipelineError: if they are of another model, or make no sense.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    known = files.read_json(path)
    try:
        count = len(names(spec.bands))
        vectors = np.array([known[key] for key in ("low", "middle", "high", "mean")], float)
        matrix = np.array(known["covariance"], float)
        right = (
            vectors.shape == (4, count)
            and matrix.shape == (count, count)
            and float(known["single"]) > 0
            and known["tiles"] > 0
        )
        right = (
            right
            and known["bands"] == spec.bands
            and np.isfinite(vectors).all()
            and np.isfinite(matrix).all()
        )
    except (LookupError, TypeError, ValueError):
        right = False
    if not right:
        raise PipelineError(f"{path} is of another model, or damaged; remove it, or get the model again")
    return known


def _differences(scores: NDArray[np.float64], lag: int) -> NDArray[np.float64]:
    """Differences of pixels `lag` apart, along both axes: ``(bands, n)``."""
    across, down = scores[:, :, lag:] - scores[:, :, :-lag], scores[:, lag:] - scores[:, :-lag]
    return np.concatenate([across.reshape(len(scores), -1), down.reshape(len(scores), -1)], axis=1)


def _joint(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation of the differences of neighbouring bands; 0 where a band is flat."""
    norms = np.sqrt((steps**2).sum(axis=1))
    products = (steps[:-1] * steps[1:]).sum(axis=1)
    both = norms[:-1] * norms[1:]
    return np.asarray(np.where(both > 0, products / np.where(both > 0, both, 1), 0.0))


def _scale(known: Mapping[str, Any]) -> NDArray[np.float64]:
    """Half the range of each number in the training, widened."""
    half = (np.asarray(known["high"]) - np.asarray(known["low"])) / 2
    return np.asarray(np.hypot(half, 2 * WIDEN * _tolerances(known)))


def _tolerances(known: Mapping[str, Any]) -> NDArray[np.float64]:
    """Tolerance of each number, wider if there were few tiles to know the spread by."""
    wider = np.sqrt(1 + MANY / known["tiles"])
    return np.asarray(wider * np.array([TOLERANCE[kind] for kind, _ in names(known["bands"])]))


def _mahalanobis(row: NDArray[np.float64], known: Mapping[str, Any]) -> float:
    """Root mean square of a tile's numbers, decorrelated, in half ranges of the training."""
    scale, count = _scale(known), len(row)
    wide = np.asarray(known["covariance"]) + np.diag((WIDEN * _tolerances(known)) ** 2)
    matrix = wide / np.outer(scale, scale)
    matrix = (1 - SHRINK) * matrix + SHRINK * np.trace(matrix) / count * np.eye(count)
    off = (row - np.asarray(known["mean"])) / scale
    return float(np.sqrt(off @ np.linalg.solve(matrix, off) / count))


def _reasons(typical: NDArray[np.float64], known: Mapping[str, Any], spec: Spec, most: int = 3) -> list[str]:
    """The kinds of numbers that are furthest off, each by its worst band, in words."""
    off = (typical - np.asarray(known["middle"])) / _scale(known)
    labels = names(known["bands"])
    worst: dict[str, int] = {}
    for index in np.argsort(-np.abs(off)):
        worst.setdefault(GROUP[labels[index][0]], int(index))
    chosen = list(worst.values())[:most]
    strong = [index for index in chosen if abs(off[index]) >= WARN] or chosen[:1]
    return [_reason(index, typical, known, spec, higher=bool(off[index] > 0)) for index in strong]


GROUP = {kind: "texture" if kind in {"detail", "fine", "coarse"} else kind for kind in TOLERANCE}


def _reason(
    index: int, typical: NDArray[np.float64], known: Mapping[str, Any], spec: Spec, *, higher: bool
) -> str:
    kind, of = names(known["bands"])[index]
    if kind == "level":
        band = spec.bands.index(of)
        value, low, high = (
            spec.mean[band] + spec.std[band] * float(score)
            for score in (typical[index], known["low"][index], known["high"][index])
        )
        return (
            f"the band {of} is around {value:.4g}, in the training {low:.4g} to {high:.4g} "
            "(units, season or haze)"
        )
    more = "more" if higher else "less"
    return {
        "contrast": f"the band {of} varies {more} than in the training (units, haze or season)",
        "colour": f"the band {of} is {'brighter' if higher else 'darker'} against the others than in the "
        "training (season, sensor, or order of the bands)",
        "detail": f"the band {of} has {more} detail than in the training (resolution, units or noise)",
        "fine": f"the band {of} is {'smoother' if higher else 'rougher'} from pixel to pixel than in the "
        "training (resolution, blur or noise)",
        "coarse": f"the band {of} has {'larger' if higher else 'smaller'} structures than in the training "
        "(resolution, or no image of the ground)",
        "joint": f"the bands {of} vary {more} together than in the training (sensor, order of the bands, "
        "or noise)",
    }[kind]
