"""The back ends a segmenter runs on: PyTorch itself, and runtimes of what the export stage writes.

Each is a function from pixels to probabilities, `stitching.Predictor`; `BACKENDS` names them.
The runtimes are imported when they are asked for.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from urbanseg.config.predict import PredictParams
from urbanseg.errors import PipelineError
from urbanseg.infer.predictor import TorchPredictor
from urbanseg.infer.stitching import Predictor
from urbanseg.io import files
from urbanseg.model import segmenter
from urbanseg.model.segmenter import Spec
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


def digest(model: Path) -> str:
    """SHA-256 over the files of a segmenter's folder, by which an exported file knows its origin."""
    parts = [files.sha256(model / name) for name in ("model.safetensors", "segmenter.json")]
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
    network, spec = segmenter.load(model)
    device = segmenter.device_of(options.device)
    return TorchPredictor(network, spec, device, options.threads, options.precision), spec


def _onnx(model: Path, folder: Path, options: PredictParams) -> tuple[Predictor, Spec]:
    from urbanseg.infer.backends.onnx import OnnxPredictor  # noqa: PLC0415, a runtime of its own

    _require_cpu(options)
    if options.precision == "bfloat16":
        raise PipelineError(
            "params.yaml: predict.precision is bfloat16, which the onnx back end doesn't have; "
            "set it to auto, or predict.backend to openvino"
        )
    return OnnxPredictor(exported_file(folder, model), options.threads), segmenter.read_spec(model)


def _openvino(model: Path, folder: Path, options: PredictParams) -> tuple[Predictor, Spec]:
    from urbanseg.infer.backends.openvino import OpenVinoPredictor  # noqa: PLC0415, a runtime of its own

    _require_cpu(options)
    path = exported_file(folder, model)
    return OpenVinoPredictor(path, options.threads, options.precision), segmenter.read_spec(model)


def _require_cpu(options: PredictParams) -> None:
    if options.device == "cuda":
        raise PipelineError(
            f"params.yaml: predict.device is cuda, but the {options.backend} back end runs on the CPU; "
            "set predict.device to auto, or predict.backend to torch"
        )


BACKENDS: dict[str, Callable[[Path, Path, PredictParams], tuple[Predictor, Spec]]] = {
    "torch": _torch,
    "onnx": _onnx,
    "openvino": _openvino,
    "openvino_int8": _openvino,
}
