"""Tiles of an image that are compared with a model's training: a sample, whatever the image's size.

Before the prediction they are compared as they are, after it the ground of each class, too.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import IGNORE
from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.infer import appearance
from urbanseg.infer.scene import Scene
from urbanseg.infer.stitching import Strip
from urbanseg.model import domain
from urbanseg.model.domain import STOP, TILE_PX, WARN, Domain
from urbanseg.model.spec import Spec

log = logging.getLogger(__name__)

PER_SIDE = 7
"""Places along each side at which tiles are read."""

WARN_STD = 3
"""Standard deviations from the training's mean from which the median of a band is warned of, where no
statistics of the training were kept."""


LEAST_PART = 0.05
"""Of the pixels of the sample, that a class must have to be judged."""


def judge(image: Scene, bands: Sequence[int], spec: Spec, known: Mapping[str, Any]) -> Domain | None:
    """How far an open image is from a model's training; None if too little of it is measured.

    An image whose median tile is far from the mean of the training is no further from it than its tiles are
    from their nearest neighbours there: fields alone are far from the mean of towns, but not unknown.

    Args:
        image: in the units and pixels that the model is given.
        bands: 1-based numbers of its bands, in the model's order.
        spec: of the model.
        known: statistics of the training.
    """
    sample = _sample(image, bands)
    if not sample:
        return None
    apart = _apart(image)
    rows = np.array([domain.describe(tile, spec) for tile in sample])
    found = domain.distance(rows, known, spec, apart=apart)
    near = appearance.read(known, spec, domain.FILE).get(appearance.ALL)
    if near is None or not found.is_unusual:
        return found
    whole = np.ones(sample[0].shape[1:], bool)
    numbers = [each for tile in sample if (each := appearance.describe(tile, whole, spec)) is not None]
    if not numbers:
        return found
    score = min(found.score, round(appearance.score(np.array(numbers), near, apart=apart), 2))
    return Domain(score, found.reasons if score >= WARN else [])


class Ground:
    """What an image is predicted to be, where it is sampled."""

    def __init__(self, shape: tuple[int, int]) -> None:
        """Note nothing yet.

        Args:
            shape: of the image, ``(height, width)``.
        """
        self.classes = {window: np.full(window[2:], IGNORE, np.uint8) for window in _windows(shape)}

    def watched(self, strips: Iterator[Strip]) -> Iterator[Strip]:
        """The strips of a prediction, unchanged, from which the classes of the sample are noted."""
        for strip in strips:
            top, height = strip.window.row, strip.window.height
            for window, noted in self.classes.items():
                first, last = max(window.row, top), min(window.row + window.height, top + height)
                if first < last:
                    cols = slice(window.col, window.col + window.width)
                    noted[first - window.row : last - window.row] = strip.layers["classes"][
                        first - top : last - top, cols
                    ]
            yield strip


def judge_ground(
    ground: Ground, image: Scene, bands: Sequence[int], spec: Spec, known: Mapping[str, Any]
) -> Domain | None:
    """How far what is predicted as each class is from what the training had of it; see `judge`.

    Returns:
        The class that is furthest, with a reason for each class beyond the edge; None where no class
        can be judged.
    """
    kept = appearance.read(known, spec, domain.FILE)
    found: dict[str, list[NDArray[np.float64]]] = {}
    for window, classes in ground.classes.items():
        if min(classes.shape) >= domain.LEAST_PX and (classes != IGNORE).mean() >= domain.LEAST_VALID:
            tile = np.asarray(image.read(window, bands), np.float64)
            for name, numbers in appearance.parts(tile, classes, spec).items():
                found.setdefault(name, []).append(numbers)
    total = max(1, sum(int((classes != IGNORE).sum()) for classes in ground.classes.values()))
    judged = []
    for value, name in enumerate(spec.classes):
        share = sum(int((classes == value).sum()) for classes in ground.classes.values()) / total
        if name in kept and name in found and share >= LEAST_PART:
            numbers = np.array(found[name])
            score = round(appearance.score(numbers, kept[name], apart=_apart(image)), 2)
            judged.append(_Judged(score, name, share, numbers))
    if not judged:
        return None
    judged.sort(key=lambda each: -each.score)
    reasons = [
        f"what it takes for {each.name.replace('_', ' ')} ({100 * each.share:.0f} %) "
        f"{' and '.join(appearance.reasons(each.numbers, kept[each.name], spec))} than in the training"
        for each in judged[:MOST_REASONS]
        if each.score >= WARN
    ]
    return Domain(judged[0].score, reasons)


@dataclass(frozen=True)
class _Judged:
    """A class of a map, and how far it is from the training."""

    score: float
    name: str
    share: float
    numbers: NDArray[np.float64]


MOST_REASONS = 3
"""Classes that are named in a sentence."""


def require_familiar(
    image: Scene,
    bands: Sequence[int],
    spec: Spec,
    known: Mapping[str, Any] | None,
    name: str,
    *,
    force: bool = False,
) -> Domain | None:
    """Refuse an image that is nothing like a model's training; warn of one that is unlike it.

    Without statistics of the training, only warn of bands that are far from its mean.

    Args:
        image: in the units and pixels that the model is given.
        bands: 1-based numbers of its bands, in the model's order.
        spec: of the model.
        known: statistics of the training; None where nothing was kept.
        name: of the image, for the sentence.
        force: only warn.

    Returns:
        How far the image is from the training; None without statistics, or without tiles to compare.

    Raises:
        PipelineError: if it is nothing like the training, unless `force`.
    """
    if known is None:
        _warn_of_bands(image, bands, spec, name)
        return None
    found = judge(image, bands, spec, known)
    _tell(found, name, force=force)
    return found


def require_familiar_ground(
    before: Domain | None,
    ground: Ground,
    image: Scene,
    bands: Sequence[int],
    spec: Spec,
    known: Mapping[str, Any] | None,
    name: str,
    *,
    force: bool = False,
) -> Domain | None:
    """Refuse or warn of an image of which the model takes unknown ground for its classes.

    Args:
        before: what `require_familiar` said of it.
        ground: what it is predicted to be.
        image: in the units and pixels that the model is given.
        bands: 1-based numbers of its bands, in the model's order.
        spec: of the model.
        known: statistics of the training; None where nothing was kept.
        name: of the image, for the sentence.
        force: only warn.

    Returns:
        The further of both.

    Raises:
        PipelineError: if a class is nothing like it was in the training, unless `force`.
    """
    found = None if known is None else judge_ground(ground, image, bands, spec, known)
    if found is None or (before is not None and before.score >= found.score):
        return before
    _tell(found, name, force=force)
    return found


def _tell(found: Domain | None, name: str, *, force: bool) -> None:
    if found is None or not found.is_unusual:
        return
    sentence = (
        f"{name} is {'nothing like' if found.is_foreign else 'unlike'} what the model was trained "
        f"on (distance {found.score:.1f}; {WARN:g} is the edge of the training, {STOP:g} the limit): "
        f"{'; '.join(found.reasons)}"
    )
    if found.is_foreign and not force:
        raise PipelineError(
            f"{sentence}; name another model with --model, or add --force to predict nevertheless"
        )
    log.warning("%s; look at the result before it is used", sentence)


def _apart(image: Scene) -> int:
    """How many tiles of an image do not overlap."""
    height, width = image.grid.shape
    return max(1, height // TILE_PX) * max(1, width // TILE_PX)


def _warn_of_bands(image: Scene, bands: Sequence[int], spec: Spec, name: str) -> None:
    """Name the bands whose median is far from the mean of the training."""
    sample = _sample(image, bands)
    if not sample:
        return
    medians = np.median([np.median(tile, axis=(1, 2)) for tile in sample], axis=0)
    for band, middle, mean, std in zip(spec.bands, medians, spec.mean, spec.std, strict=True):
        if abs(middle - mean) > WARN_STD * std:
            log.warning(
                "%s: the band %s is around %.4g, but the model was trained on %.4g ± %.4g; if the image is "
                "in other units, the classes will be wrong", name, band, middle, mean, std,
            )  # fmt: skip


def _sample(image: Scene, bands: Sequence[int]) -> list[NDArray[np.float64]]:
    """Tiles spread evenly over an image, top to bottom, as files are read best."""
    found = []
    for window in _windows(image.grid.shape):
        valid = image.valid(window, bands)
        if valid.mean() >= domain.LEAST_VALID:
            found += list(domain.tiles(image.read(window, bands), valid))
    return found


def _windows(shape: tuple[int, int]) -> list[Window]:
    sides = [min(TILE_PX, length) for length in shape]
    return [Window(row, col, *sides) for row in _offsets(shape[0]) for col in _offsets(shape[1])]


def _offsets(length: int) -> list[int]:
    last = max(length - TILE_PX, 0)
    return sorted({round(last * place / (PER_SIDE - 1)) for place in range(PER_SIDE)})
