"""Decoding blended scores: class, confidence, probability of road, and on request more.

Probabilities are calibrated here, behind all back ends and the blending of windows, so that the classes stay
what they were; roads are traced by the network's own probability.

All layers are uint8, shares as `classes.encode_share` stores them, so that a strip is small
enough to be sent from one machine to another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from urbanseg.calibration import conformal
from urbanseg.calibration.conformal import difficulty
from urbanseg.calibration.stored import Calibration
from urbanseg.calibration.temperature import soften
from urbanseg.classes import IGNORE, encode_share
from urbanseg.errors import PipelineError

ROAD_PROBABILITY = "road_probability"
"""The layer of the probability of road."""

CORE_PROBABILITY = "core_probability"
"""The layer of the probability of the inside of a building."""

Extra = Literal["probabilities", "entropy", "margin", "set"]

DecodedLayers = dict[str, NDArray[np.uint8]]
"""``classes`` and ``confidence``, ``road_probability`` where roads are known, and those asked for, each
``(height, width)``; ``probabilities`` is ``(classes, height, width)``, ``set`` `conformal.encode`'s
``(bands, height, width)``."""


@dataclass(frozen=True)
class Decoder:
    """Makes layers of the scores of pixels; see `__call__`."""

    min_confidence: tuple[float, ...] = ()
    """Confidence that each class needs, 0–1; empty: none."""
    extras: tuple[Extra, ...] = ()
    rest: int | None = 0
    """Position of the class of a pixel where no class reaches what it needs; None: it stays unknown."""
    roads: tuple[int, ...] = ()
    """Classes of roads, whose probability is kept to trace them; 0 below the confidence that each needs."""
    calibration: Calibration | None = None
    """Of the classes in their order; None leaves the probabilities as they are."""
    cores: bool = False
    """Whether a score of the inside of a building follows those of the classes."""

    def __post_init__(self) -> None:
        """Refuse sets that nothing is known for.

        Raises:
            PipelineError: if sets are asked for without a calibration.
        """
        if "set" in self.extras and self.calibration is None:
            raise PipelineError(
                "prediction sets are asked for, but the model has no calibration.json; take set out of "
                "predict.rasters, set predict.calibrate to true, or run the export stage"
            )

    def __call__(self, scores: NDArray[np.float32]) -> DecodedLayers:
        """Decode the weighted sums of probabilities ``(classes, height, width)``, which are overwritten.

        The class is the most probable of those that reach the confidence they need, or
        the `rest` where none does; the confidence is its probability, whichever it is. The
        entropy is a share of its greatest value, log(classes); the margin is the
        difference between the two highest probabilities. Without any score, all is 0.
        """
        inside = scores[-1]
        scores = scores[:-1] if self.cores else scores
        total = scores.sum(axis=0)
        np.divide(1, total, out=total, where=total > 0)
        scores *= total
        plain = scores
        if self.calibration is not None:
            scores = soften(scores, argmax_and_max(scores)[0], self.calibration.temperatures)
        claims = scores
        if self.min_confidence:
            claims = np.where(scores < np.asarray(self.min_confidence, np.float32)[:, None, None], 0, scores)
        best, highest = argmax_and_max(claims)
        if self.min_confidence:
            unsure = highest <= 0
            best[unsure] = self.rest or 0
            highest = np.take_along_axis(scores, best[None], axis=0)[0]
        layers = {"classes": best, "confidence": encode_share(highest)}
        if self.min_confidence and self.rest is None:
            for layer in layers.values():
                layer[unsure] = IGNORE
        if self.roads:
            at = list(self.roads)
            layers[ROAD_PROBABILITY] = encode_share(np.where(claims[at] > 0, plain[at], 0).sum(axis=0))
        if self.cores:
            layers[CORE_PROBABILITY] = encode_share(inside * total)
        if "probabilities" in self.extras:
            layers["probabilities"] = encode_share(scores)
        if "entropy" in self.extras:
            layers["entropy"] = encode_share(difficulty(scores))
        if "margin" in self.extras:
            first, second = np.partition(scores, -2, axis=0)[:-3:-1]
            layers["margin"] = encode_share(first - second)
        if "set" in self.extras and self.calibration is not None:
            known = self.calibration
            inside = conformal.members(scores, known.thresholds, known.difficulty)
            layers["set"] = conformal.encode(inside)
        return layers


def argmax_and_max(claims: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The first of the greatest values along the first axis: its number, uint8, and itself.

    As numpy's argmax and max, several times as fast: without a branch for each pixel.
    """
    highest = claims[0].copy()
    best = np.zeros(highest.shape, np.uint8)
    for number, claim in enumerate(claims[1:], start=1):
        # Numbers rise, so one that beats all before it is the greatest of those that did.
        np.maximum(best, (claim > highest) * np.uint8(number), out=best)
        np.maximum(highest, claim, out=highest)
    return best, highest


def min_confidence_by_class(least: Mapping[str, float], classes: Sequence[str]) -> tuple[float, ...]:
    """Confidence that each class of the model needs, from `predict.min_confidence`.

    Raises:
        PipelineError: for a class that the model doesn't know.
    """
    require_known("predict.min_confidence", least, classes)
    return tuple(least.get(name, 0.0) for name in classes) if least else ()


def kept_classes(
    chosen: Sequence[str] | None, classes: Sequence[str], rest: int | None
) -> NDArray[np.bool_] | None:
    """Which classes of the model may be predicted, from `predict.classes`, and the rest; None: all.

    Args:
        chosen: names of classes, or None.
        classes: names of the model's classes.
        rest: position of the class of what is none of the others, if there is one.

    Raises:
        PipelineError: for a class that the model doesn't know.
    """
    if chosen is None:
        return None
    require_known("predict.classes", chosen, classes)
    return np.array([i == rest or name in chosen for i, name in enumerate(classes)])


def require_known(key: str, names: Sequence[str] | Mapping[str, float], classes: Sequence[str]) -> None:
    """Refuse names of classes that the model wasn't trained on.

    Args:
        key: the parameter that names them, for the error.
        names: names of classes.
        classes: names of the model's classes.

    Raises:
        PipelineError: if one is unknown.
    """
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise PipelineError(
            f"params.yaml: {key} names {', '.join(unknown)}, but the model knows {', '.join(classes)}"
        )
