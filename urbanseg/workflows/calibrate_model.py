"""The calibration of a trained model, fitted on validation tiles; see `urbanseg.calibration`.

Tiles that share no pixel are taken, and those of one block are one group: groups are what is exchangeable.
What is said of how well it works is measured on groups that the numbers were not fitted on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from urbanseg.calibration import conformal, forecast, stored, temperature, temperature_fit
from urbanseg.calibration.stored import Calibration
from urbanseg.classes import IGNORE, encode_share, iou_per_class
from urbanseg.config.export import ExportParams
from urbanseg.dataset.tiles import windows_of
from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.infer.backends.pixels import as_input
from urbanseg.infer.stitching import Predictor
from urbanseg.metrics.calibration import confidence_counts, expected_calibration_error
from urbanseg.model.spec import Spec
from urbanseg.workflows.image_shifts import SHIFTS, Image, Shift

SHIFTED_TILES = 32
"""Tiles that are predicted with each change of `SHIFTS`, at most."""

FOLDS = 10
"""Parts of the groups: what is fitted on the others is tried on one."""

PIXELS = 1 << 14
"""Labelled pixels of a tile that count, at most: evenly spread."""

IMAGES = 4
"""Images that the changed tiles are put together to: each a forecast and its truth."""


@dataclass(frozen=True)
class Tile:
    """A labelled tile: pixels ``(bands, size, size)``, labels ``(size, size)`` uint8, and its group."""

    pixels: NDArray[Any]
    labels: NDArray[np.uint8]
    group: int


@dataclass(frozen=True)
class _Pixels:
    """Labelled pixels: probabilities ``(classes, n)`` float32, labels and groups ``(n,)``."""

    probabilities: NDArray[np.float32]
    labels: NDArray[np.uint8]
    groups: NDArray[np.int64]

    def of(self, chosen: NDArray[np.bool_]) -> "_Pixels":
        return _Pixels(self.probabilities[:, chosen], self.labels[chosen], self.groups[chosen])

    @property
    def predicted(self) -> NDArray[np.uint8]:
        return np.asarray(self.probabilities.argmax(axis=0), np.uint8)

    def softened(self, temperatures: Sequence[float]) -> "_Pixels":
        found = temperature.soften(self.probabilities, self.predicted, temperatures)
        return _Pixels(found, self.labels, self.groups)

    @property
    def confidence(self) -> NDArray[np.uint8]:
        return encode_share(self.probabilities.max(axis=0))

    def counts(self) -> NDArray[np.int64]:
        """Pixels by predicted class, confidence and actual class."""
        return forecast.count(self.labels, self.predicted, self.confidence, len(self.probabilities))


def apart(table: pd.DataFrame, at_most: int) -> pd.DataFrame:
    """Rows of a tile index whose tiles share no pixel, spread evenly; `group` numbers their blocks.

    Args:
        table: tiles of one split, as the dataset stage writes them.
        at_most: how many are taken.
    """
    labelled = table["height"] * table["width"] * table["valid_share"]
    order = labelled.sort_values(ascending=False, kind="stable").index
    taken: dict[str, list[Window]] = {}
    kept = []
    for index, city, window in zip(order, table["city"][order], windows_of(table.loc[order]), strict=True):
        others = taken.setdefault(city, [])
        if not any(_meet(window, other) for other in others):
            others.append(window)
            kept.append(index)
    rows = table.loc[sorted(kept)]
    rows = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(at_most, len(rows)), dtype=int))]
    return rows.assign(group=rows.groupby(["city", "block"], sort=False).ngroup())


def _meet(one: Window, other: Window) -> bool:
    """Whether two windows share a pixel."""
    return (
        one.row < other.row + other.height
        and other.row < one.row + one.height
        and one.col < other.col + other.width
        and other.col < one.col + one.width
    )


def calibrate(
    predict: Predictor,
    spec: Spec,
    tiles: Sequence[Tile],
    classes: Sequence[str],
    *,
    options: ExportParams,
    model: str,
) -> tuple[Calibration, dict[str, Any]]:
    """Fit a model's calibration.

    Args:
        predict: the model, on the back end that will predict.
        spec: its own.
        tiles: of the validation, that share no pixel.
        classes: names of the labels' classes by position; one that the model doesn't know is its first class.
        options: the `export` section.
        model: SHA-256 of the segmenter.

    Returns:
        The calibration, for the model's classes in their order; and figures for the metrics: errors of
        calibration before and after, sets and forecast, each on groups that they were not fitted on.

    Raises:
        PipelineError: if no tile holds a labelled pixel.
    """
    own = _own_labels(spec.classes, classes)
    plain = _predicted(predict, tiles, own, lambda pixels: pixels)
    if not plain.labels.size:
        raise PipelineError(
            "no validation tile holds a labelled pixel to calibrate the model on; raise tiles.min_valid_share"
        )
    temperatures = temperature_fit.fit(plain.probabilities, plain.labels, plain.groups)
    believed = plain.softened(temperatures)
    limits = _limits(believed, options)
    shares = forecast.shares_of(believed.counts())
    chosen = _spread(tiles, SHIFTED_TILES)
    trials = list(_trials(predict, spec, chosen, own, temperatures))
    offset, slope, margin = forecast.line(*_columns(trials, believed))
    found = Calibration(
        tuple(spec.classes),
        temperatures,
        options.coverage,
        options.difficulty,
        limits,
        stored.make_forecast(shares, offset, slope, margin),
        model,
    )
    return found, _figures(plain, temperatures, spec.classes, options) | {
        "forecast": {"offset": round(offset, 4), "slope": round(slope, 4), "margin": round(margin, 4)},
        "tiles": len(tiles),
        "groups": len({tile.group for tile in tiles}),
    }


def _own_labels(own: Sequence[str], classes: Sequence[str]) -> NDArray[np.uint8]:
    """The model's class by a label's value: ``(256,)`` uint8."""
    lookup = np.full(IGNORE + 1, IGNORE, np.uint8)
    for value, name in enumerate(classes):
        lookup[value] = own.index(name) if name in own else 0
    return lookup


def _predicted(
    predict: Predictor,
    tiles: Sequence[Tile],
    own: NDArray[np.uint8],
    change: Callable[[Image], Image],
) -> _Pixels:
    """The labelled pixels of changed tiles."""
    parts = []
    for tile in tiles:
        answer = predict(change(as_input(tile.pixels))[None])[0]
        labels = own[tile.labels]
        known = np.flatnonzero(labels != IGNORE)
        known = known[:: max(1, -(-len(known) // PIXELS))]
        group = np.full(len(known), tile.group, np.int64)
        parts.append((answer.reshape(len(answer), -1)[:, known], labels.ravel()[known], group))
    probabilities, truth, groups = zip(*parts, strict=True)
    return _Pixels(np.concatenate(probabilities, axis=1), np.concatenate(truth), np.concatenate(groups))


def _limits(believed: _Pixels, options: ExportParams) -> tuple[float, ...]:
    scores = conformal.nonconformity(believed.probabilities, options.difficulty)
    return conformal.thresholds(scores, believed.labels, believed.groups, options.coverage)


def _spread(tiles: Sequence[Tile], at_most: int) -> list[Tile]:
    chosen = np.unique(np.linspace(0, len(tiles) - 1, min(at_most, len(tiles)), dtype=int))
    return [tiles[i] for i in chosen]


def _trials(
    predict: Predictor,
    spec: Spec,
    tiles: Sequence[Tile],
    own: NDArray[np.uint8],
    temperatures: Sequence[float],
) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Number of the change, of the image, and its pixels by predicted class, confidence and actual class."""
    for number, change in enumerate(SHIFTS.values()):

        def changed(pixels: Image, change: Shift = change) -> Image:
            return change(pixels, spec)

        believed = _predicted(predict, tiles, own, changed).softened(temperatures)
        image = _part(believed.groups, IMAGES)
        for each in np.unique(image):
            yield number, int(each), believed.of(image == each).counts()


def _columns(
    trials: Sequence[tuple[int, int, NDArray[np.int64]]], believed: _Pixels
) -> tuple[list[float], list[float], list[int]]:
    """Expected and true mean IoU of the images, and the change of each; shares are of the other images."""
    part = _part(believed.groups, IMAGES)
    images = {image for _, image, _ in trials}
    shares = {image: forecast.shares_of(_others(believed, part, image).counts()) for image in images}
    expected, true, changes = [], [], []
    for change, image, counts in trials:
        ious = forecast.expected_ious(counts.sum(axis=2), shares[image])
        expected.append(float(np.nanmean(ious)))
        true.append(float(np.nanmean(iou_per_class(counts.sum(axis=1)))))
        changes.append(change)
    return expected, true, changes


def _others(pixels: _Pixels, part: NDArray[np.int64], number: int) -> _Pixels:
    """Pixels of all parts but one; all, if there is no other."""
    apart = part != number
    return pixels.of(apart) if apart.any() else pixels


def _part(groups: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """Number of the part that each pixel's group is in: groups in turn."""
    _, order = np.unique(groups, return_inverse=True)
    return np.asarray(order % parts, np.int64)


def _figures(
    plain: _Pixels, temperatures: Sequence[float], classes: Sequence[str], options: ExportParams
) -> dict[str, Any]:
    """Figures of calibration and sets by cross-validation."""
    part, n = _part(plain.groups, FOLDS), len(classes)
    after, covered = [], np.zeros((n, 2))
    sizes: list[NDArray[np.int64]] = []
    for number in np.unique(part):
        fitted, tried = _others(plain, part, number), plain.of(part == number)
        found = temperature_fit.fit(fitted.probabilities, fitted.labels, fitted.groups)
        believed = tried.softened(found)
        after.append(believed)
        limits = _limits(fitted.softened(found), options)
        inside = conformal.members(believed.probabilities, limits, options.difficulty)
        held = np.take_along_axis(inside, believed.labels[None].astype(np.intp), axis=0)[0]
        covered += np.stack([np.bincount(believed.labels, held, n), np.bincount(believed.labels, None, n)], 1)
        sizes.append(inside.sum(axis=0))
    joined = _Pixels(
        np.concatenate([each.probabilities for each in after], axis=1),
        np.concatenate([each.labels for each in after]),
        np.concatenate([each.groups for each in after]),
    )
    shares = covered[:, 0] / np.where(covered[:, 1] > 0, covered[:, 1], np.nan)
    return {
        "temperatures": dict(zip(classes, temperatures, strict=True)),
        **{f"{name}_before": value for name, value in _errors(plain).items()},
        **{f"{name}_after": value for name, value in _errors(joined).items()},
        "sets": {
            "coverage": _rounded(covered[:, 0].sum() / max(1, covered[:, 1].sum())),
            "mean_size": _rounded(np.concatenate(sizes).mean()),
            "classes": {name: _rounded(share) for name, share in zip(classes, shares, strict=True)},
        },
    }


def _errors(pixels: _Pixels) -> Mapping[str, float | None]:
    counts = confidence_counts(pixels.labels, pixels.predicted, pixels.confidence, len(pixels.probabilities))
    likelihood = temperature_fit.negative_log_likelihood(pixels.probabilities, pixels.labels)
    return {"ece": _rounded(expected_calibration_error(counts)), "nll": _rounded(likelihood)}


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
