"""Which blocks of a scene are worth looking at next, and what was asked and answered before.

A block is worth the more, the less sure the map is there (mean entropy, or else 1 − confidence), the more
its classes would gain from it, and the less it resembles what was looked at already. So blocks are taken one
by one, each time the one with the greatest product of uncertainty, expected effect, and distance from the
nearest that was taken or answered: a weighted greedy k-centre (Sener and Savarese 2018, "Active learning for
convolutional neural networks: a core-set approach"). What is compared is how the model sees a block, by the
shares of its classes, and how it looks, by the mean and the spread of each band; no network runs. Test blocks
are left out, as nothing is learned from them.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.review.blocks import BlockFigures
from urbanseg.review.frames import Frame
from urbanseg.review.readers import Readers, read_decimated
from urbanseg.review.scenes import Scene

ANSWERS = ("done", "skipped")

PIXELS_OF_A_BLOCK = 256
"""Of the scene that its looks are measured by."""


@dataclass(frozen=True)
class Suggestion:
    """A block to look at.

    Attributes:
        number: of the block.
        score: product of what it is ranked by.
        uncertainty: 0–1, times its expected effect.
        distance: from the nearest block that was taken or answered; 1 is the farthest of all.
    """

    number: int
    score: float
    uncertainty: float
    distance: float


def rank(
    uncertainty: NDArray[np.float64],
    features: NDArray[np.float64],
    candidates: NDArray[np.bool_],
    answered: NDArray[np.bool_],
    count: int,
) -> list[Suggestion]:
    """The blocks that are worth most, best first.

    Args:
        uncertainty: ``(blocks,)``, at least 0.
        features: ``(blocks, features)``, of like scale.
        candidates: which blocks may be suggested.
        answered: which were looked at.
        count: how many are wanted.
    """
    left = candidates & ~answered & (uncertainty > 0)
    nearest = np.full(len(features), np.inf)
    for number in np.flatnonzero(answered):
        nearest = np.minimum(nearest, np.linalg.norm(features - features[number], axis=1))
    spread = float(np.linalg.norm(np.ptp(features, axis=0))) if len(features) else 0.0
    found: list[Suggestion] = []
    while left.any() and len(found) < count:
        distance = np.minimum(nearest / spread, 1.0) if spread > 0 else np.ones(len(features))
        worth = np.where(left, uncertainty * distance, -1.0)
        best = int(worth.argmax())
        found.append(Suggestion(best, float(worth[best]), float(uncertainty[best]), float(distance[best])))
        left[best] = False
        nearest = np.minimum(nearest, np.linalg.norm(features - features[best], axis=1))
    return found


def suggest(
    scene: Scene, readers: Readers, frame: Frame, figures: BlockFigures, answered: set[str], count: int
) -> list[Suggestion]:
    """The blocks of a scene that are worth looking at next; with labels or without.

    Args:
        scene: with a prediction.
        readers: of its rasters.
        frame: of the scene.
        figures: of its blocks.
        answered: ids of blocks that were looked at.
        count: how many are wanted.

    Raises:
        PipelineError: if there is no prediction.
    """
    if not scene.has("prediction") or not scene.has("confidence"):
        raise PipelineError(f"{scene.id} has no prediction yet; run make repro, and ask again")
    entropy = figures.entropy
    unsure = np.where(np.isnan(entropy), 1 - figures.confidence, entropy)
    sizes = np.array([window.height * window.width for window in figures.windows])
    shares = figures.counts / np.maximum(1, figures.counts.sum(axis=1, keepdims=True))
    features = np.hstack([shares, looks(scene, readers, frame, figures)])
    may = np.array([split != "test" for split in figures.splits])
    seen = np.array([name in answered for name in figures.ids])
    worth = np.nan_to_num(unsure) * effect(figures.counts, sizes)
    return rank(worth, features, may, seen, count)


def effect(counts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """By how much labels of each block may change the mean IoU, against one of all classes as they are.

    All classes count alike in the mean, so that a pixel of a rare one counts for more: by one over the share
    of its class. The map knows that share the worse the rarer the class is, so its square root is taken.

    Args:
        counts: ``(blocks, classes)`` predicted pixels.
        sizes: ``(blocks,)`` pixels of each, with data or without.

    Returns:
        ``(blocks,)``, 1 on average over all pixels with data; 0 for a block without data.
    """
    shares = counts.sum(axis=0) / max(1, counts.sum())
    weights = np.divide(1.0, np.sqrt(shares), out=np.zeros(len(shares)), where=shares > 0)
    average = float(weights @ shares)
    return np.asarray(counts @ weights / sizes / average if average > 0 else np.zeros(len(counts)))


def looks(scene: Scene, readers: Readers, frame: Frame, figures: BlockFigures) -> NDArray[np.float64]:
    """Mean and spread of each band in each block, over all blocks of mean 0 and spread 1 / √columns.

    Args:
        scene: with an image or without.
        readers: of its rasters.
        frame: of the scene.
        figures: of its blocks.

    Returns:
        ``(blocks, 2 · bands)`` float64; ``(blocks, 0)`` without an image.
    """
    if not scene.has("scene"):
        return np.zeros((len(figures.windows), 0))
    with readers.reading(scene.rasters["scene"]) as dataset:
        bands = list(range(1, dataset.count + 1))
        most = PIXELS_OF_A_BLOCK * len(figures.windows)
        height, width = frame.grid.shape
        values, _ = read_decimated(dataset, Window(0, 0, height, width), most, bands)
    scale = values.shape[1] / height, values.shape[2] / width
    rows = []
    for window in figures.windows:
        top, left = int(window.row * scale[0]), int(window.col * scale[1])
        bottom = max(top + 1, int((window.row + window.height) * scale[0]))
        right = max(left + 1, int((window.col + window.width) * scale[1]))
        part = np.nan_to_num(values[:, top:bottom, left:right].astype(np.float64))
        rows.append(np.concatenate([part.mean(axis=(1, 2)), part.std(axis=(1, 2))]))
    return standard(np.array(rows))


def standard(measured: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features of blocks on like scales: each of mean 0, and spread 1 / √columns, over all blocks.

    Args:
        measured: ``(blocks, columns)``.
    """
    scores = (measured - measured.mean(axis=0)) / np.maximum(measured.std(axis=0), 1e-12)
    return np.asarray(scores / np.sqrt(measured.shape[1]))


def answered_blocks(log: Path) -> set[str]:
    """Ids of the blocks that a log says were looked at, or left out.

    Raises:
        PipelineError: if it is no such log.
    """
    if not log.exists():
        return set()
    try:
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        return {line["block"] for line in lines if line["event"] in ANSWERS}
    except (KeyError, TypeError, ValueError) as error:
        raise PipelineError(f"{log} is damaged ({error}); restore it, or move it away") from error


def note(log: Path, entries: list[dict[str, Any]]) -> None:
    """Add lines to a log; they are on the disk when it returns."""
    log.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
    with log.open("a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
