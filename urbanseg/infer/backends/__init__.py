"""The back ends a segmenter runs on: PyTorch itself, and runtimes of what the export stage writes.

Each is a function from pixels to probabilities, `stitching.Predictor`; `BACKENDS` names them.
The runtimes, PyTorch too, are imported when they are asked for.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from urbanseg.calibration import stored
from urbanseg.calibration.stored import Calibration
from urbanseg.config.predict import PredictParams
from urbanseg.errors import PipelineError, missing_package
from urbanseg.infer import appearance
from urbanseg.infer.stitching import Predictor
from urbanseg.infer.tta import in_columns
from urbanseg.io import files
from urbanseg.model import digests, domain
from urbanseg.model.spec import FILE, Spec, read_spec, unreadable
from urbanseg.paths import EXPORT_FILES

log = logging.getLogger(__name__)

MANIFEST = "export.json"
"""Beside each exported file: its format, of which segmenter it was made, and the digests of all files."""

TRIAL_PX = 128
"""Side of the image on which a model is tried before it is used; every architecture takes it."""


def load(
    model: Path, exported: Path, options: PredictParams, classes: Sequence[str] = (), *, cores: bool = False
) -> tuple[Predictor, Spec]:
    """The segmenter on the back end that `predict.backend` names, and its spec.

    Args:
        model: the segmenter's folder.
        exported: the folder with a folder for each exported format.
        options: the `predict` section.
        classes: names of the classes in the order that is wanted; empty for the model's own.
        cores: whether to answer for the insides of buildings, too, after the classes, if the model does.

    Raises:
        PipelineError: if the model is missing or damaged, if it wasn't exported, if the
            back end can't do what the section asks for, or if the model knows other classes.
    """
    predict, spec = BACKENDS[options.backend](model, exported / options.backend, options, cores)
    return for_classes(predict, spec, classes or spec.classes, model, cores=cores and spec.instances)


def for_classes(
    predict: Predictor, spec: Spec, classes: Sequence[str], model: Path, *, cores: bool = False
) -> tuple[Predictor, Spec]:
    """A model that answers for the given classes in their order, and its spec; matched by name.

    A class that the model doesn't know is never predicted; the log says so.

    Args:
        predict: the model.
        spec: its own.
        classes: the names that are wanted.
        model: its folder, for the error.
        cores: whether it answers for the insides of buildings after the classes, and goes on to.

    Raises:
        PipelineError: if it knows a class that is not among them.
    """
    if list(classes) == spec.classes:
        return predict, spec
    if foreign := [name for name in spec.classes if name not in classes]:
        raise PipelineError(
            f"{model} tells apart {', '.join(spec.classes)}, but the classes of params.yaml are "
            f"{', '.join(classes)}, without {', '.join(foreign)}; name them as the model does, or run the "
            "train stage again"
        )
    if unknown := [name for name in classes if name not in spec.classes]:
        log.warning("%s doesn't know %s: no pixel gets that class", model, ", ".join(unknown))
    columns = [list(classes).index(name) for name in spec.classes] + [len(classes)] * cores
    return in_columns(predict, columns, len(classes) + cores), replace(spec, classes=list(classes))


def load_exported(folder: Path, options: PredictParams, backend: str | None = None) -> tuple[Predictor, Spec]:
    """An exported format alone, without the segmenter that it was made of, and its spec.

    Args:
        folder: of one format.
        options: the `predict` section; its own `backend` does not count.
        backend: the only one that will do; None for that of the folder.

    Raises:
        PipelineError: if the folder is incomplete or damaged, or another format's.
    """
    manifest = files.read_json(folder / MANIFEST)
    name = str(manifest.get("format"))
    if name not in BACKENDS or not (folder / EXPORT_FILES[name]).is_file():
        raise PipelineError(f"{folder} holds no exported model that runs here; run the export stage again")
    if backend not in {None, name}:
        raise PipelineError(
            f"{folder} holds the format {name}, which no other back end runs; leave out --backend, or name "
            f"the folder of {backend} or of the segmenter itself with --model"
        )
    digests.check(folder, MANIFEST, "export")
    spec = read_spec(folder)
    return _tried(EXPORTED[name](folder / EXPORT_FILES[name], options, False), spec, folder), spec


def statistics(model: Path, exported: Path, spec: Spec) -> dict[str, Any] | None:
    """What is known of a model's training, for `familiarity.require_familiar`; None where nothing was kept.

    Args:
        model: folder of a segmenter, of an exported format, or of a packed model.
        exported: the folder with the exported formats, whose statistics count if they are of this segmenter.
        spec: of the model.

    Raises:
        PipelineError: if the statistics are damaged.
    """
    folder = model if (model / domain.FILE).is_file() else exported
    if folder is exported and _origin(exported) != digest(model):
        return None
    known = domain.read(folder, spec)
    if known is not None:
        appearance.read(known, spec, str(folder / domain.FILE))
    return known


def calibration(model: Path, exported: Path) -> Calibration | None:
    """What makes a model's probabilities agree with how often they are right; None where nothing was kept.

    Args:
        model: folder of a segmenter, of an exported format, or of a packed model.
        exported: the folder with the exported formats, whose calibration counts if it is of this segmenter.

    Raises:
        PipelineError: if it is damaged, or lies beside another model than its own.
    """
    if not is_exported(model):
        found = stored.read(exported)
        return found if found and found.model == digest(model) else None
    beside = stored.read(model)
    if beside and files.read_json(model / MANIFEST).get("segmenter_sha256") != beside.model:
        raise PipelineError(f"{model / stored.FILE} is of another model; remove it, or get the model again")
    return beside


def _origin(exported: Path) -> str | None:
    """Digest of the segmenter that the statistics of an export are of."""
    path = exported / domain.FILE
    return str(files.read_json(path).get("segmenter_sha256")) if path.is_file() else None


def is_exported(folder: Path) -> bool:
    """Whether a folder is that of an exported format, and no segmenter's."""
    return (folder / MANIFEST).is_file()


def digest(model: Path) -> str:
    """SHA-256 over the files of a segmenter's folder, by which an exported file knows its origin."""
    parts = [files.sha256(path) for path in model_files(model)]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def model_files(model: Path) -> list[Path]:
    """Weights and specs of a model, and of the members of a merged one."""
    found = [path for pattern in ("*", "*/*") for path in model.glob(pattern)]
    return sorted(path for path in found if path.name in {"model.safetensors", FILE} and path.is_file())


def exported_file(folder: Path, model: Path) -> Path:
    """The file of a format, after checking that it was made of this segmenter.

    Raises:
        PipelineError: if it is missing or was made of another.
    """
    path = folder / EXPORT_FILES[folder.name]
    if not path.is_file():
        raise PipelineError(
            f"{path} does not exist; add {folder.name} to export.formats and run the export stage"
        )
    if files.read_json(folder / MANIFEST).get("segmenter_sha256") != digest(model):
        raise PipelineError(f"{path} was made of another model than {model}; run the export stage again")
    digests.check(folder, MANIFEST, "export")
    return path


def _tried(predict: Predictor, spec: Spec, folder: Path, *, cores: bool = False) -> Predictor:
    """The model, after it has answered for an image as its spec says.

    Raises:
        PipelineError: if it takes other bands, tells apart other classes, or answers with no numbers.
    """
    pixels = np.broadcast_to(np.array(spec.mean, np.float32)[None, :, None, None], _trial_shape(spec.bands))
    try:
        found = predict(pixels)
    except Exception as error:  # of any kind: each back end has its own
        raise unreadable(folder, error, "export") from error
    if found.shape != _trial_shape(spec.channels if cores else spec.classes) or not np.isfinite(found).all():
        wrong = ValueError(f"it does not answer with {len(spec.classes)} finite numbers, as {FILE} says")
        raise unreadable(folder, wrong, "export")
    return predict


def _trial_shape(channels: Sequence[str]) -> tuple[int, int, int, int]:
    return 1, len(channels), TRIAL_PX, TRIAL_PX


def _torch(model: Path, _: Path, options: PredictParams, cores: bool) -> tuple[Predictor, Spec]:
    try:
        from urbanseg.infer.predictor import TorchPredictor  # noqa: PLC0415, a runtime of its own
        from urbanseg.model import segmenter  # noqa: PLC0415, brings it
    except ModuleNotFoundError as error:
        raise missing_package(error, "train", "or use --backend onnx") from error
    network, spec = segmenter.load(model)
    device = segmenter.device_of(options.device)
    return TorchPredictor(network, spec, device, options.threads, options.precision, cores=cores), spec


def _exported(model: Path, folder: Path, options: PredictParams, cores: bool) -> tuple[Predictor, Spec]:
    spec = read_spec(model)
    predict = EXPORTED[folder.name](exported_file(folder, model), options, cores)
    return _tried(predict, spec, folder, cores=cores), spec


def _onnx(path: Path, options: PredictParams, cores: bool) -> Predictor:
    from urbanseg.infer.backends.onnx import OnnxPredictor  # noqa: PLC0415, a runtime of its own

    _require_cpu(options)
    if options.precision == "bfloat16":
        raise PipelineError(
            "params.yaml: predict.precision is bfloat16, which the onnx back end doesn't have; "
            "set it to auto, or predict.backend to openvino"
        )
    return OnnxPredictor(path, options.threads, cores=cores)


def _openvino(path: Path, options: PredictParams, cores: bool) -> Predictor:
    try:
        from urbanseg.infer.backends.openvino import OpenVinoPredictor  # noqa: PLC0415, a runtime of its own
    except ModuleNotFoundError as error:
        raise missing_package(error, "openvino", "or use the backend onnx") from error
    _require_cpu(options)
    return OpenVinoPredictor(path, options.threads, options.precision, cores=cores)


def _require_cpu(options: PredictParams) -> None:
    if options.device == "cuda":
        raise PipelineError(
            f"params.yaml: predict.device is cuda, but the {options.backend} back end runs on the CPU; "
            "set predict.device to auto, or predict.backend to torch"
        )


EXPORTED: dict[str, Callable[[Path, PredictParams, bool], Predictor]] = {
    "onnx": _onnx,
    "openvino": _openvino,
    "openvino_int8": _openvino,
}
"""What runs an exported file, by its format."""

BACKENDS: dict[str, Callable[[Path, Path, PredictParams, bool], tuple[Predictor, Spec]]] = {
    "torch": _torch,
} | dict.fromkeys(EXPORTED, _exported)
