"""The back ends a segmenter runs on: PyTorch itself, and runtimes of what the export stage writes.

Each is a function from pixels to probabilities, `stitching.Predictor`; `BACKENDS` names them.
The runtimes, PyTorch too, are imported when they are asked for.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from urbanseg.config.predict import PredictParams
from urbanseg.errors import PipelineError, missing_package
from urbanseg.infer.stitching import Predictor
from urbanseg.io import files
from urbanseg.model.spec import FILE, Spec, read_spec
from urbanseg.paths import EXPORT_FILES

MANIFEST = "export.json"
"""Beside each exported file: its format, and of which segmenter it was made."""


def load(model: Path, exported: Path, options: PredictParams) -> tuple[Predictor, Spec]:
    """The segmenter on the back end that `predict.backend` names, and its spec.

    Args:
        model: the segmenter's folder.
        exported: the folder with a folder for each exported format.
        options: the `predict` section.

    Raises:
        PipelineError: if the model is missing or damaged, if it wasn't exported, or if the
            back end can't do what the section asks for.
    """
    return BACKENDS[options.backend](model, exported / options.backend, options)


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
    if (name := manifest.get("format")) not in BACKENDS or not (folder / EXPORT_FILES[name]).is_file():
        raise PipelineError(f"{folder} holds no exported model that runs here; run the export stage again")
    if backend not in {None, name}:
        raise PipelineError(
            f"{folder} holds the format {name}, which no other back end runs; leave out --backend, or name "
            f"the folder of {backend} or of the segmenter itself with --model"
        )
    return EXPORTED[name](folder / EXPORT_FILES[name], options), read_spec(folder)


def is_exported(folder: Path) -> bool:
    """Whether a folder is that of an exported format, and no segmenter's."""
    return (folder / MANIFEST).is_file()


def digest(model: Path) -> str:
    """SHA-256 over the files of a segmenter's folder, by which an exported file knows its origin."""
    parts = [files.sha256(model / name) for name in ("model.safetensors", FILE)]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


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
    return path


def _torch(model: Path, _: Path, options: PredictParams) -> tuple[Predictor, Spec]:
    try:
        from urbanseg.infer.predictor import TorchPredictor  # noqa: PLC0415, a runtime of its own
        from urbanseg.model import segmenter  # noqa: PLC0415, brings it
    except ModuleNotFoundError as error:
        raise missing_package(error, "train", "or use --backend onnx") from error
    network, spec = segmenter.load(model)
    device = segmenter.device_of(options.device)
    return TorchPredictor(network, spec, device, options.threads, options.precision), spec


def _exported(model: Path, folder: Path, options: PredictParams) -> tuple[Predictor, Spec]:
    return EXPORTED[folder.name](exported_file(folder, model), options), read_spec(model)


def _onnx(path: Path, options: PredictParams) -> Predictor:
    from urbanseg.infer.backends.onnx import OnnxPredictor  # noqa: PLC0415, a runtime of its own

    _require_cpu(options)
    if options.precision == "bfloat16":
        raise PipelineError(
            "params.yaml: predict.precision is bfloat16, which the onnx back end doesn't have; "
            "set it to auto, or predict.backend to openvino"
        )
    return OnnxPredictor(path, options.threads)


def _openvino(path: Path, options: PredictParams) -> Predictor:
    try:
        from urbanseg.infer.backends.openvino import OpenVinoPredictor  # noqa: PLC0415, a runtime of its own
    except ModuleNotFoundError as error:
        raise missing_package(error, "openvino", "or use the backend onnx") from error
    _require_cpu(options)
    return OpenVinoPredictor(path, options.threads, options.precision)


def _require_cpu(options: PredictParams) -> None:
    if options.device == "cuda":
        raise PipelineError(
            f"params.yaml: predict.device is cuda, but the {options.backend} back end runs on the CPU; "
            "set predict.device to auto, or predict.backend to torch"
        )


EXPORTED: dict[str, Callable[[Path, PredictParams], Predictor]] = {
    "onnx": _onnx,
    "openvino": _openvino,
    "openvino_int8": _openvino,
}
"""What runs an exported file, by its format."""

BACKENDS: dict[str, Callable[[Path, Path, PredictParams], tuple[Predictor, Spec]]] = {
    "torch": _torch,
} | dict.fromkeys(EXPORTED, _exported)
