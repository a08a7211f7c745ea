"""Prediction as the `predict` section of params.yaml asks for it, of an open scene."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from urbanseg.calibration.stored import Calibration
from urbanseg.classes import REST
from urbanseg.config.predict import PredictParams
from urbanseg.grid import Grid, Window
from urbanseg.infer.decode import Decoder, kept_classes, min_confidence_by_class
from urbanseg.infer.stitching import Predictor, Strip, predict_strips
from urbanseg.infer.tta import restricted, with_tta
from urbanseg.infer.windows import WindowGrid


class Scene(Protocol):
    """What is read of a scene: a `raster.Reader`, or an image that is brought to a model's bands."""

    @property
    def grid(self) -> Grid:
        """Where its pixels lie."""

    def read(self, window: Window | None = None, bands: Sequence[int] | None = None) -> NDArray[Any]:
        """Pixels of a window, ``(bands, height, width)``."""

    def valid(self, window: Window | None = None, bands: Sequence[int] | None = None) -> NDArray[np.bool_]:
        """Which of them hold data, ``(height, width)``."""


def window_grid(shape: tuple[int, int], options: PredictParams) -> WindowGrid:
    """The windows of a scene of ``(height, width)`` pixels."""
    return WindowGrid(shape, options.size, options.overlap, options.blend)


def predict_scene(
    scene: Scene,
    bands: Sequence[int],
    predict: Predictor,
    classes: Sequence[str],
    options: PredictParams,
    rows: range | None = None,
    rest: str | None = REST,
    roads: Collection[str] = ("road",),
    *,
    calibration: Calibration | None = None,
    cores: bool = False,
    windows: WindowGrid | None = None,
) -> Iterator[Strip]:
    """Predict some rows of a scene (all, if None), the same to the bit as if it were all of them.

    Clouds and clean-up are left to the caller, who sees the strips of the whole scene.

    Args:
        scene: the scene; read from a thread of its own, by nobody else meanwhile.
        bands: 1-based numbers of the bands that the model wants, in its order.
        predict: the model on some back end.
        classes: names of its classes, in order.
        options: the section of params.yaml.
        rows: as `WindowGrid.parts` cuts them best.
        rest: name of the class of pixels that no class is sure of; they stay unknown if the model has none.
        roads: names of classes whose probability is kept, to trace roads; they need not be the model's.
        calibration: of the model; used if the options say so.
        cores: whether the model also answers for the insides of buildings, after the classes.
        windows: of the scene; `window_grid` if None.

    Raises:
        PipelineError: if the options name a class that the model doesn't know, or ask for sets without a
            calibration.
    """
    rest_at = list(classes).index(rest) if rest is not None and rest in classes else None
    kept = kept_classes(options.classes, classes, rest_at)
    roads_at = tuple(i for i, name in enumerate(classes) if name in roads)
    least = min_confidence_by_class(options.min_confidence, classes)
    fallback = rest_at if rest_at is not None or kept is None else int(np.argmax(kept))
    believed = calibration.for_classes(classes) if calibration and options.calibrate else None
    return predict_strips(
        windows or window_grid(scene.grid.shape, options),
        read=lambda window: scene.read(window, bands),
        valid=lambda window: scene.valid(window, bands),
        predict=restricted(with_tta(predict, options.augment), kept, fallback or 0),
        classes=len(classes) + cores,
        batch_size=options.batch_size,
        decoder=Decoder(least, tuple(options.rasters), rest_at, roads_at, believed, cores),
        rows=rows,
    )
