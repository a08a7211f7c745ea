"""The model that a map is made by: the one that is named, or the one of the registry that fits the image."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from affine import Affine

from urbanseg import paths
from urbanseg.calibration.stored import Calibration
from urbanseg.classes import ClassTable
from urbanseg.config.params import load
from urbanseg.config.predict import PredictParams
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.infer import backends, images
from urbanseg.infer.decode import Extra
from urbanseg.infer.images import parse_bands
from urbanseg.infer.stitching import Predictor
from urbanseg.io import files, gdal_access, georeference, raster
from urbanseg.io.image_sheet import PLACEHOLDER_CRS
from urbanseg.model.spec import FILE, Spec
from urbanseg.packed import registry
from urbanseg.workflows.map_result import Wishes
from urbanseg.workflows.model_input import band_errors, products
from urbanseg.workflows.model_input import bands as band_search
from urbanseg.workflows.model_input.sources import Source

log = logging.getLogger(__name__)

PROJECT = "project"
"""Stands for the model that the project in this folder trained."""


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
    known: Mapping[str, Any] | None = None
    """Statistics of its training; None where nothing was kept."""
    calibration: Calibration | None = None
    """For the classes of the table; None where nothing was kept, or `predict.calibrate` is off."""

    def options_with_sets(self, *, wanted: bool) -> PredictParams:
        """The `predict` section, with prediction sets if they are wanted and the model has them."""
        rasters: list[Extra] = [name for name in self.options.rasters if name != "set"]
        if wanted and self.calibration is not None:
            rasters.append("set")
        return self.options.model_copy(update={"rasters": rasters})


class Models:
    """The models that images are mapped by: the one that is named, else for each image the one that fits."""

    def __init__(self, name: str | Path | None = None, backend: str | None = None) -> None:
        """Load the model that is named; others are loaded when an image asks for them.

        Args:
            name: see `load_model`; None to choose by the image.
            backend: see `load_model`.
        """
        self._backend = backend
        self._named = None if name is None else load_model(name, backend)
        self._chosen: dict[str, RunningModel] = {}

    def for_image(self, source: Source, wishes: Wishes) -> RunningModel:
        """The model for an image, by its bands and the size of its pixels; the log says which and why.

        Raises:
            PipelineError: if none fits, with what each needs; if the image cannot be opened.
        """
        if self._named:
            return self._named
        bands, pixel_m, is_8bit = _described(source, wishes)
        return self._choose(source.label, bands, pixel_m, is_8bit=is_8bit)

    def for_bands(self, name: str, bands: Sequence[str], pixel_m: float) -> RunningModel:
        """The model for an image that is not here yet; see `registry.choose`."""
        return self._named or self._choose(name, bands, pixel_m, is_8bit=False)

    def _choose(
        self, image: str, bands: Sequence[str], pixel_m: float | None, *, is_8bit: bool | None
    ) -> RunningModel:
        own = f"{PROJECT} for {paths.MODEL}" if paths.MODEL.is_dir() else ""
        try:
            about = registry.choose(bands, pixel_m, is_8bit=is_8bit).about
        except PipelineError as error:
            hint = f"; --model {PROJECT} takes the one of this project" if own else ""
            raise PipelineError(f"{image}: {error}{hint}") from None
        name = about.label
        size = "unknown size" if pixel_m is None else f"{pixel_m:.3g} m"
        log.info(
            "%s: mapped by %s (%s), which fits the bands %s and pixels of %s; --model takes another%s",
            image, name, about.title, ", ".join(about.bands), size, f", such as {own}" if own else "",
        )  # fmt: skip
        if name not in self._chosen:
            self._chosen[name] = load_model(name, self._backend)
        return self._chosen[name]


def _described(source: Source, wishes: Wishes) -> tuple[list[str], float | None, bool | None]:
    """Common names of the bands of an image, the side of its pixels in metres, whether it has 8 bit colours.

    The latter two are None if unknown: `--scale` and scales in the metadata make any units of 8 bits.
    """
    named = parse_bands(wishes.bands) if wishes.bands else None
    with ExitStack() as stack:
        images = [stack.enter_context(_opened(path)) for path in source.files]
        product = products.identify(source.files[0], images[0].info.dtypes[0])
        found = band_search.by_name(images, codes=source.codes, product=product, named=named)
        if not found and (single := band_errors.alone(images, source.codes, _needs())):
            raise PipelineError(single)
        pixel = wishes.pixel_m
        if georeference.is_placed(images[0].dataset):
            pixel = min(math.sqrt(math.prod(image.grid.pixel_m)) for image in images)
        is_8bit: bool | None = all(dtype == "uint8" for image in images for dtype in image.info.dtypes)
        if wishes.scale is not None or any(set(image.dataset.scales) != {1.0} for image in images):
            is_8bit = None
    return [name for name in found if name not in {"alpha", "scl"}], pixel, is_8bit


def _needs() -> str:
    """Which bands each model of the registry needs, as a part of a sentence."""
    bands = {entry.about.name: ", ".join(entry.about.bands) for entry in reversed(registry.entries())}
    return " and ".join(f"{name} needs {of}" for name, of in sorted(bands.items())) or "no model is here"


@contextmanager
def _opened(path: Path) -> Iterator[raster.Reader]:
    """A raster of which the log says nothing: it is opened again to be mapped."""
    with gdal_access.opened(path) as dataset:
        if georeference.is_placed(dataset):
            grid = georeference.find(path, dataset, gcps=True)
        else:
            grid = Grid(PLACEHOLDER_CRS, Affine.identity(), dataset.height, dataset.width)
        yield raster.Reader(path, dataset, grid)


def load_model(name: str | Path, backend: str | None = None) -> RunningModel:
    """Load a model; in a project's folder, with the predict section and the colours of its params.yaml.

    Args:
        name: of the registry, or the folder of a segmenter or of an exported format; `PROJECT` for the
            model of the project in this folder.
        backend: key of `backends.BACKENDS`; as the parameters say if None, else torch, or onnx without it.

    Raises:
        PipelineError: if it is missing or damaged, or cannot run here.
    """
    model = paths.MODEL if str(name) == PROJECT else registry.find(name)
    params = load(paths.PARAMS) if paths.PARAMS.exists() else None
    options = params.predict if params else PredictParams()
    if backend or not (params or find_spec("torch")):
        options = options.model_copy(update={"backend": backend or "onnx"})
    if backends.is_exported(model) and not (backend == "torch" and registry.is_packed(model)):
        predict, spec = backends.load_exported(model, options, backend)
    else:
        predict, spec = backends.load(model, paths.EXPORT, options)
    known = backends.statistics(model, paths.EXPORT, spec)
    digest = files.sha256(model / FILE)
    if params and set(spec.classes) == set(params.classes):  # by the project's values, where it knows them
        predict, spec = backends.for_classes(predict, spec, list(params.classes), model)
    table = images.class_table(spec.classes, params.class_table if params else None)
    label = name if isinstance(name, str) and name not in {str(model), PROJECT} else model.resolve().name
    found = backends.calibration(model, paths.EXPORT) if options.calibrate else None
    calibration = found.for_classes(spec.classes) if found else None
    return RunningModel(label, digest, predict, spec, table, options, known, calibration)
