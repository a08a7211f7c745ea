"""Classes from stored probabilities under other thresholds, for a view, without the network.

It is the rule of `infer.decode.Decoder` on probabilities as they are stored, 0–254 for 0–1: the most
probable class of those that reach the confidence they need, or the first class where none does. `clean` is
`infer.majority_filter` on the view and its surroundings.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from urbanseg.classes import CONFIDENCE_SCALE, IGNORE, ClassTable, iou_per_class
from urbanseg.grid import SPLITS, Grid, Window
from urbanseg.infer.majority_filter import majority, opened
from urbanseg.metrics.area import HECTARE_M2
from urbanseg.review.readers import Readers, read_decimated
from urbanseg.review.refusals import RefusedError
from urbanseg.review.scenes import Scene

UNAVAILABLE = "no probabilities are stored; add probabilities to predict.rasters and run make repro"

SHARE = re.compile(r"[01](\.\d{1,6})?|\.\d{1,6}")

MOST_PIXELS = 1 << 21
"""Pixels of a view of which areas are counted one by one; of a larger one, every n-th is."""

MOST_TILE_PIXELS = 1 << 19
"""Likewise of a tile."""

FILTERS: Mapping[str, tuple[Callable[[NDArray[np.uint8], int, int], NDArray[np.uint8]], int]] = {
    "median": (majority, 1),
    "morphology": (opened, 4),
}
"""The filter of each clean-up, and how far it sees as a multiple of its radius."""


@dataclass(frozen=True)
class Settings:
    """Thresholds and clean-up.

    Attributes:
        table: the classes.
        least: confidence that each class needs, 0–1, in the order of the class table.
        clean: as `predict.clean`.
        clean_px: as `predict.clean_px`.
    """

    table: ClassTable
    least: tuple[float, ...]
    clean: Literal["none", "median", "morphology"] = "none"
    clean_px: int = 1


def parse(table: ClassTable, text: str, clean: str, clean_px: int) -> Settings:
    """Settings from an address.

    Args:
        table: the classes.
        text: such as ``building:0.6,road:0.5``.
        clean: ``none``, ``median`` or ``morphology``.
        clean_px: pixels around each that the clean-up looks at.

    Raises:
        RefusedError: if they are none.
    """
    least = dict.fromkeys(table.names, 0.0)
    for pair in filter(None, text.split(",")):
        name, _, number = pair.rpartition(":")
        if name not in least:
            raise RefusedError(422, f"min names {name[:40]!r}, which is no class")
        if not SHARE.fullmatch(number) or float(number) > 1:
            raise RefusedError(422, "a confidence is from 0 to 1")
        least[name] = float(number)
    if clean not in {"none", *FILTERS} or not 1 <= clean_px <= 32:
        raise RefusedError(422, "clean is none, median or morphology, and clean_px from 1 to 32")
    return Settings(table, tuple(least.values()), clean, clean_px)  # type: ignore[arg-type]


def decode(probabilities: NDArray[np.uint8], least: tuple[float, ...], rest: int | None) -> NDArray[np.uint8]:
    """The class of each pixel.

    Args:
        probabilities: ``(classes, height, width)`` uint8, `IGNORE` where unknown.
        least: confidence that each class needs, 0–1.
        rest: position of the class where none reaches what it needs; None: it is unknown.

    Returns:
        Positions in the class table, ``(height, width)`` uint8, `IGNORE` where unknown.
    """
    best = np.zeros(probabilities.shape[1:], np.uint8)
    highest = np.zeros(probabilities.shape[1:], np.uint8)
    for number, (shares, need) in enumerate(zip(probabilities, least, strict=True)):
        # As floats compare: a share that is stored as the threshold is, reaches it.
        claim = (
            np.where(shares < math.ceil(round(need * CONFIDENCE_SCALE, 6)), 0, shares) if need > 0 else shares
        )
        np.maximum(best, (claim > highest) * np.uint8(number), out=best)
        np.maximum(highest, claim, out=highest)
    best[highest == 0] = IGNORE if rest is None else rest
    best[probabilities[0] == IGNORE] = IGNORE
    return best


def classes_of(
    dataset: DatasetReader, window: Window, settings: Settings, most: int
) -> tuple[NDArray[np.uint8], float]:
    """Classes of a window under settings.

    Args:
        dataset: the open probabilities.
        window: of pixels.
        settings: thresholds and clean-up.
        most: pixels that are read of each class.

    Returns:
        ``(height, width)`` ids of classes, and how many pixels of the window one stands for; above 1 there
        is no clean-up, which is of single pixels.
    """
    table, count = settings.table, range(1, len(settings.least) + 1)
    rest = None if table.rest is None else table.names.index(table.rest)
    is_whole = window.height * window.width <= most
    if settings.clean == "none" or not is_whole:
        read, each = read_decimated(dataset, window, most, list(count))
        return table.id_lut[decode(read, settings.least, rest)], each
    clean, reach = FILTERS[settings.clean]
    wider, core = window.grown(reach * settings.clean_px, dataset.shape)
    read, _ = read_decimated(dataset, wider, wider.height * wider.width, list(count))
    cleaned = clean(decode(read, settings.least, rest), settings.clean_px, len(settings.least))
    return table.id_lut[cleaned[core.slices]], 1.0


def areas(scene: Scene, readers: Readers, grid: Grid, window: Window, settings: Settings) -> dict[str, Any]:
    """Hectares of each class in a window under settings and as delivered, and scores on labelled pixels.

    Test blocks are left out of the scores, so that thresholds are not tuned on what judges them.

    Args:
        scene: with probabilities.
        readers: of its rasters.
        grid: of the scene.
        window: of pixels.
        settings: thresholds and clean-up.
    """
    with readers.reading(scene.rasters["probabilities"]) as dataset:
        found, each = classes_of(dataset, window, settings, MOST_PIXELS)
    delivered = _like(readers, scene.rasters["prediction"], window, found.shape)
    height_m, width_m = grid.pixel_m
    hectares = each * height_m * width_m / HECTARE_M2
    after, before = (
        np.bincount(values.ravel(), minlength=256)[scene.table.ids] * hectares
        for values in (found, delivered)
    )
    classes = {
        name: {"hectares": round(float(a), 4), "before": round(float(b), 4)}
        for name, a, b in zip(scene.table.names, after, before, strict=True)
    }
    scores = None
    if scene.has("labels") and scene.has("split"):
        labels = _like(readers, scene.rasters["labels"], window, found.shape)
        split = _like(readers, scene.rasters["split"], window, found.shape)
        labels = np.where(split == SPLITS.index("test"), IGNORE, labels)
        scores = _scores(labels, found, delivered, scene.table)
    return {"classes": classes, "approximate": each > 1, "scores": scores}


def _like(readers: Readers, path: Path, window: Window, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The first band of a window, with as many pixels as something else that was read of it."""
    with readers.reading(path) as dataset:
        read, _ = read_decimated(dataset, window, shape[0] * shape[1], [1])
    return np.asarray(read[0])


def _scores(
    labels: NDArray[np.uint8], after: NDArray[np.uint8], before: NDArray[np.uint8], table: ClassTable
) -> dict[str, Any] | None:
    """Mean IoU and IoU of each class under both; None without labels."""
    n = len(table)
    labels, after, before = (table.position_lut[values] for values in (labels, after, before))
    known = (labels < n) & (after < n) & (before < n)
    if not known.any():
        return None
    reference = labels[known].astype(np.int64) * n
    ious = [
        iou_per_class(np.bincount(reference + predicted[known], minlength=n * n).reshape(n, n))
        for predicted in (after, before)
    ]
    means = [round(float(np.nanmean(each)), 4) for each in ious]
    iou = {name: round(float(v), 4) for name, v in zip(table.names, ious[0], strict=True) if not np.isnan(v)}
    return {"miou": means[0], "before": means[1], "iou": iou}
