"""What a map is made from: a model that runs, and an image in its bands."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg import paths
from urbanseg.classes import ClassTable
from urbanseg.config.params import load
from urbanseg.config.predict import PredictParams
from urbanseg.grid import Grid, Window
from urbanseg.imagery.local import raster_copy
from urbanseg.infer import backends, images
from urbanseg.infer.stitching import Predictor, Strip
from urbanseg.io import files, georeference, raster
from urbanseg.io.image_sheet import PLACEHOLDER_CRS
from urbanseg.model.spec import FILE, Spec

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunningModel:
    """A model that answers, and what it was asked for."""

    name: str
    sha256: str
    """Of its description, which holds the digests of its files."""
    predict: Predictor
    spec: Spec
    table: ClassTable
    options: PredictParams


def load_model(folder: Path | None = None, backend: str | None = None) -> RunningModel:
    """Load a model; in a project's folder, with the predict section and the colours of its params.yaml.

    Args:
        folder: of a segmenter or of an exported format; the project's own model if None.
        backend: key of `backends.BACKENDS`; as the parameters say if None, else torch, or onnx without it.

    Raises:
        PipelineError: if it is missing or damaged, or cannot run here.
    """
    model = folder or paths.MODEL
    params = load(paths.PARAMS) if paths.PARAMS.exists() else None
    options = params.predict if params else PredictParams()
    if backend or not (params or find_spec("torch")):
        options = options.model_copy(update={"backend": backend or "onnx"})
    if backends.is_exported(model):
        predict, spec = backends.load_exported(model, options, backend)
    else:
        predict, spec = backends.load(model, paths.EXPORT, options)
    digest = files.sha256(model / FILE)
    if params and set(spec.classes) == set(params.classes):  # by the project's values, where it knows them
        predict, spec = backends.for_classes(predict, spec, list(params.classes), model)
    table = images.class_table(spec.classes, params.class_table if params else None)
    return RunningModel(model.resolve().name, digest, predict, spec, table, options)


@dataclass
class InputReport:
    """What was found of an image."""

    is_placed: bool = True
    """Whether it says where on Earth it lies; else areas are in pixels."""
    pixel_m: float | None = None
    """Side of a pixel in metres, if that is known."""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ModelInput:
    """An image as a model wants it."""

    name: str
    files: tuple[Path, ...]
    grid: Grid
    """On which the model predicts."""
    own: Grid
    """The image's own, on which results are wanted."""
    bands: list[int]
    report: InputReport
    reader: raster.Reader

    def read(self, window: Window | None = None, bands: Sequence[int] | None = None) -> NDArray[Any]:
        """Pixels of a window (all, if None), ``(bands, height, width)``."""
        return self.reader.read(window, bands)

    def valid(self, window: Window | None = None, bands: Sequence[int] | None = None) -> NDArray[np.bool_]:
        """Which pixels of a window hold data, ``(height, width)``."""
        return self.reader.valid(window, bands)

    def decimated(self, max_side: int) -> np.ma.MaskedArray[Any, Any]:
        """A small copy on ``own.shrunk(max_side)``, ``(bands, height, width)``; missing pixels are masked."""
        return self.reader.decimated(max_side, self.bands, "average")

    def back(self, strips: Iterator[Strip]) -> Iterator[Strip]:
        """Strips of a prediction on `grid` as strips on `own`."""
        return strips


@contextmanager
def open_for_model(
    path: Path, spec: Spec, *, bands: str | None = None, force: bool = False, drafts: Path
) -> Iterator[ModelInput]:
    """Open an image in the bands of a model.

    Args:
        path: a file or an address.
        spec: of the model.
        bands: such as ``red=1,green=2,blue=3``; None to find them.
        force: warn of what would be refused.
        drafts: folder for a temporary file.

    Raises:
        PipelineError: in one sentence, if the model cannot map the image, and why.
    """
    with raster.reading(path, PLACEHOLDER_CRS, gcps=True) as image:
        numbers = images.find_bands(image, spec, images.parse_bands(bands) if bands else None)
        images.require_units(image, numbers, spec, force=force)
        report = InputReport(georeference.is_placed(image.dataset))
        with raster_copy.placed(image, numbers, drafts / "warped.tif") as (placed, found):
            if report.is_placed:
                report.pixel_m = float(np.prod(placed.grid.pixel_m) ** 0.5)
            yield ModelInput(path.stem, (path,), placed.grid, placed.grid, found, report, placed)
