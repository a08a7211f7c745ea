"""The model that a map is made by."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from urbanseg import paths
from urbanseg.classes import ClassTable
from urbanseg.config.params import load
from urbanseg.config.predict import PredictParams
from urbanseg.infer import backends, images
from urbanseg.infer.stitching import Predictor
from urbanseg.io import files
from urbanseg.model import registry
from urbanseg.model.spec import FILE, Spec


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


def load_model(name: str | Path | None = None, backend: str | None = None) -> RunningModel:
    """Load a model; in a project's folder, with the predict section and the colours of its params.yaml.

    Args:
        name: of the registry, or the folder of a segmenter or of an exported format; the project's own
            model if None.
        backend: key of `backends.BACKENDS`; as the parameters say if None, else torch, or onnx without it.

    Raises:
        PipelineError: if it is missing or damaged, or cannot run here.
    """
    model = registry.find(name or paths.MODEL)
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
    label = name if isinstance(name, str) and name != str(model) else model.resolve().name
    return RunningModel(label, digest, predict, spec, table, options, known)
